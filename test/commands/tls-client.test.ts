/** The commands and a warden behind a web config: real TLS, real users. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { hashSync } from 'bcryptjs';
import { systemClock } from '../../src/clock.js';
import { accessOf } from '../../src/commands/access.js';
import { apps } from '../../src/commands/apps.js';
import { get } from '../../src/commands/client.js';
import { ask } from '../../src/commands/doctor/ask.js';
import { parseCommand, type ClientOptions } from '../../src/commands/options.js';
import { restart } from '../../src/commands/restart.js';
import { status } from '../../src/commands/status.js';
import { messageOf } from '../../src/errors.js';
import { listen } from '../../src/http/server.js';
import { WebConfigFile } from '../../src/http/web-config/web-config-file.js';
import { Feed } from '../../src/monitor/feed.js';
import { authority, leaf } from '../http/web-config/certificates.js';
import { serverOf, TOKEN } from '../http/support.js';

async function serving(t: Test, more = '') {
  const folder = mkdtempSync(join(tmpdir(), 'hw-cli-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const ca = authority(folder);
  leaf(folder, 'server', ca, 'IP:127.0.0.1');
  leaf(folder, 'client', ca, 'DNS:client.example');
  const file = join(folder, 'web.yml');
  writeFileSync(file, `tls_server_config: { cert_file: server.pem, key_file: server.key${more} }\nbasic_auth_users: { ada: '${hashSync('lovelace', 4)}' }\n`);
  const parts = serverOf(t, { webConfig: await WebConfigFile.open(file) });
  const url = await listen(parts.server, { host: '127.0.0.1', port: 0 }, true);
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, TOKEN);
  return { ...parts, url, tokenFile, tls: { ca: ca.certFile }, client: { cert: join(folder, 'client.pem'), key: join(folder, 'client.key') } };
}

const quiet = { print: () => {}, printError: () => {} };

t.test('status, apps, monitor and restart over TLS, with a user or with the token', async (t) => {
  const { warden, url, tokenFile, tls } = await serving(t);
  const nobody: ClientOptions = { url, tokenFile: null, configFile: null, tls };
  const ada: ClientOptions = { ...nobody, basicAuth: 'ada:lovelace' };
  const withToken: ClientOptions = { ...nobody, tokenFile };

  for (const [name, options] of [['a user', ada], ['the token', withToken]] as const) {
    const lines: string[] = [];
    t.equal(await apps({ ...options, json: true }, (line) => lines.push(line)), 0, name);
    t.match(lines.join(''), /"shop"/);
    t.not(await status({ ...options, json: false }, quiet), 3, name);
    const feed = new Feed(url, systemClock, await accessOf(options));
    t.match(await feed.look(), { apps: [{ app: 'shop' }], status: { version: '1.2.3' } }, `${name}: the stream, zipped`);
    t.match(await feed.history('shop', '1h'), { app: 'shop' });
  }
  const unknown = await get(nobody, 'api/v1/apps').catch(messageOf);
  const needed = /asks who wants to know: set HEAPWARDEN_BASIC_AUTH=user:password, or name the token with --token\.file/;
  t.match(unknown, needed);
  const said: string[] = [];
  t.equal(await status({ ...nobody, json: false }, { ...quiet, printError: (line) => said.push(line) }), 3);
  t.match(said, [needed]);
  const lost = new AbortController();
  const listener = { status: () => {}, apps: () => {}, incidents: () => {}, heard: () => {} };
  const told = await new Promise<[string, string | null]>((resolve) => {
    const feed = new Feed(url, systemClock, { tls: { ca: readFileSync(tls.ca) } });
    void feed.follow({ ...listener, lost: (...why) => resolve(why) }, lost.signal);
  });
  lost.abort();
  t.match(told, [needed, null], 'the monitor does not ask whether it is running');

  const asked = { app: 'shop', worker: null, reason: 'manual', force: false, dryRun: false } as const;
  t.equal(await restart({ ...ada, ...asked, tokenFile }, () => {}), 0, 'what changes something goes with the token');
  t.equal(warden.requests.length, 1);
});

t.test('whoever reads finds the token through the config, too, where it is asked for', async (t) => {
  const { warden, url, tokenFile, tls } = await serving(t);
  const configFile = join(dirname(tokenFile), 'heapwarden.yml');
  writeFileSync(configFile, 'auth: { token_file: ./token }\nstate_dir: .\n');
  const options: ClientOptions = { url, tokenFile: null, configFile, tls };
  t.match(await get(options, 'api/v1/incidents'), { incidents: [{ id: 'one' }] });
  t.not(await status({ ...options, json: false }, quiet), 3);
  const feed = new Feed(url, systemClock, await accessOf(options));
  t.match(await feed.look(), { apps: [{ app: 'shop' }] });
  const asUser = { ...options, basicAuth: 'ada:x' };
  t.match(await get(asUser, 'api/v1/apps').catch(messageOf), /asks who wants to know/, 'not where a user is named');
  writeFileSync(tokenFile, 'another');
  t.match(await get(options, 'api/v1/apps').catch(messageOf), /asks who wants to know/);
  const asked = { app: 'shop', worker: null, reason: 'manual', force: false, dryRun: false } as const;
  await t.rejects(restart({ ...options, ...asked }, () => {}), { message: /does not know the token/ });
  t.equal(warden.requests.length, 0);
});

t.test('a user of the environment', async (t) => {
  const { url, tls } = await serving(t);
  const access = await accessOf({ tls }, { HEAPWARDEN_BASIC_AUTH: 'ada:lovelace' });
  t.match(await ask(url, 'api/v1/apps', access), { value: { status: 200 } });
  t.match(await ask(url, 'api/v1/apps', await accessOf({ tls }, { HEAPWARDEN_BASIC_AUTH: 'ada:x' })), { value: { status: 401 } });
});

t.test('a certificate that nobody vouches for, and one that is demanded', async (t) => {
  const { url, tokenFile, tls, client } = await serving(t, ', client_auth_type: RequireAndVerifyClientCert, client_ca_file: authority.pem');
  const plain: ClientOptions = { url, tokenFile, configFile: null };
  t.match(await get(plain, 'api/v1/apps').catch(messageOf), /no heapwarden answers at https:.* \(.*certificate.*\)/);
  t.match(await get({ ...plain, tls }, 'api/v1/apps').catch(messageOf), /no heapwarden answers at https:/, 'it has none to show');
  t.match(await get({ ...plain, tls: { ...tls, ...client } }, 'api/v1/apps'), { apps: [{ app: 'shop' }] });
  t.match(await get({ ...plain, tls: { ca: '/nowhere.pem' } }, 'api/v1/apps').catch(messageOf), /^--cacert=\/nowhere\.pem cannot be read: ENOENT/);
});

t.test('flags; a password in the URL is taken out of it', async (t) => {
  const parsed = parseCommand(['status', '--url=https://ada:love%3Alace@box:9973/hw', '--cacert=ca.pem', '--cert=c.pem', '--key=c.key']);
  t.match(parsed, {
    options: { url: 'https://box:9973/hw', basicAuth: 'ada:love:lace', tls: { ca: 'ca.pem', cert: 'c.pem', key: 'c.key' } },
  });
  t.notMatch(JSON.stringify((parsed as { options: { url: string } }).options.url), /lace/);
  t.match(parseCommand(['doctor', '--url=http://a:b@c/']), { options: { url: 'http://c/', basicAuth: 'a:b' } });
  t.throws(() => parseCommand(['status', '--cert=c.pem']), { code: 'USAGE', message: /--cert and --key belong together/ });
  for (const host of ['http://x', 'a:80', 'a b', '']) {
    t.throws(() => parseCommand(['serve', `--web.allowed-host=${host}`]), { code: 'USAGE', message: /is not a name such as warden\.example/ }, host);
  }
});
