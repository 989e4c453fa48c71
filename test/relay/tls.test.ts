/** The relay's side of TLS. The certificates in tls/ are of a CA of their own, for the names warden.test and relay.test. */
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Wardens } from '../../src/relay/wardens.js';
import { parseTargets } from '../../src/relay/targets.js';
import type { WardensConfig } from '../../src/relay/schema.js';
import { alertFor, SimulatedWarden } from './simulated-warden.js';

const folder = fileURLToPath(new URL('tls', import.meta.url));
const file = (name: string) => join(folder, name);
const pem = (name: string) => readFileSync(file(name));
const OURS = { ca_file: file('ca.pem'), cert_file: file('relay.pem'), key_file: file('relay.key'), server_name: 'warden.test' };

t.test('it goes where the certificate is the right one, and shows its own', async (t) => {
  const dir = t.testdir({ token: 'secret' });
  const tls = { key: pem('warden.key'), cert: pem('warden.pem'), ca: pem('ca.pem'), requestCert: true, rejectUnauthorized: true };
  const warden = await new SimulatedWarden({ token: 'secret', tls }).start();
  t.teardown(() => warden.stop());
  const [target] = parseTargets(JSON.stringify([{ targets: [warden.address] }]), 'https');
  const deliver = async (own: WardensConfig['tls']) => {
    const config: WardensConfig = { token_file: join(dir, 'token'), scheme: 'https', tls: own, timeout: 5000 };
    return (await Wardens.open(config)).deliver(target!, [alertFor(warden.address)], true);
  };
  t.equal((await deliver(OURS)).status, 202);
  t.equal(warden.received.length, 1);

  const { server_name: _name, ...nameless } = OURS;
  await t.rejects(deliver(nameless), /127\.0\.0\.1/, 'the name in the certificate is another');
  await t.rejects(deliver({ ...OURS, server_name: 'other.test' }), /other\.test/);
  const { ca_file: _ca, ...strange } = OURS;
  await t.rejects(deliver(strange), /certificate/, 'nobody here knows that CA');
  await t.rejects(deliver({ ca_file: OURS.ca_file, server_name: OURS.server_name }), 'the warden asks for a certificate');
  t.equal(warden.received.length, 1, 'and none of them has got its alert through');
});

t.test('what is no certificate is told at the start', async (t) => {
  const open = (tls: WardensConfig['tls']) => Wardens.open({ token_file: 'x', scheme: 'https', tls, timeout: 5000 });
  await t.rejects(open({ ca_file: file('none.pem') }), { code: 'CONFIG_UNREADABLE', message: /wardens\.tls cannot be used: ENOENT.*none\.pem/ });
  const dir = t.testdir();
  cpSync(file('relay.pem'), join(dir, 'relay.pem'));
  await t.rejects(open({ cert_file: join(dir, 'relay.pem'), key_file: join(dir, 'relay.pem') }), { code: 'CONFIG_UNREADABLE' });
  await t.rejects(open({ ...OURS, key_file: file('warden.key') }), { code: 'CONFIG_UNREADABLE' }, 'the key of another certificate');
});
