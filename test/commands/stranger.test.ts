/** Linux: a user without rights has the port of a warden that is down, and waits for its token. */
import { spawn } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import { accessOf } from '../../src/commands/access.js';
import { get } from '../../src/commands/client.js';
import { ask } from '../../src/commands/doctor/ask.js';
import type { ClientOptions } from '../../src/commands/options.js';
import { restart } from '../../src/commands/restart.js';
import { status } from '../../src/commands/status.js';
import { messageOf } from '../../src/errors.js';
import { strangerAt } from '../../src/http/port-holder.js';
import { Feed } from '../../src/monitor/feed.js';
import type { WardensConfig } from '../../src/relay/schema.js';
import { Wardens } from '../../src/relay/wardens.js';
import { cannotRun } from '../parts/index.js';

const NOBODY = 65534;

/** Asks whoever comes who he is, as a warden with users does, and prints what it is given. */
const STRANGER = `
process.setgid(${NOBODY});
process.setuid(${NOBODY});
const server = require('node:http').createServer((request, response) => {
  console.log(request.headers.authorization ?? 'nothing');
  response.writeHead(401, { 'content-type': 'application/json' }).end('{}');
});
server.listen(0, process.argv[1], () => console.log(server.address().port));
`;

async function stranger(t: Test, host = '127.0.0.1') {
  const child = spawn(process.execPath, ['-e', STRANGER, host], { env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const lines = createInterface({ input: child.stdout });
  const [port] = (await once(lines, 'line')) as [string];
  const given: string[] = [];
  lines.on('line', (line) => given.push(line));
  const folder = t.testdir({ token: 's3cret', 'heapwarden.yml': 'auth: { token_file: ./token }\nstate_dir: .\n' });
  const [tokenFile, configFile] = [join(folder, 'token'), join(folder, 'heapwarden.yml')];
  chmodSync(tokenFile, 0o600);
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, port: Number(port), given, tokenFile, configFile };
}

const why = process.platform !== 'linux' ? 'only Linux tells whose a port is' : process.getuid?.() !== 0 ? 'only root can be two users' : null;
const NOT_SENT = new RegExp(`is a program of user ${NOBODY}, who may not read .*token: the token was not sent`);

t.test('no command gives it the token', async (t) => {
  if (why) return cannotRun(t, why);
  const { url, given, tokenFile, configFile } = await stranger(t);
  const asked = { app: 'shop', worker: null, reason: 'manual', force: false, dryRun: false } as const;
  const quiet = { print: () => {}, printError: () => {} };
  for (const named of [{ tokenFile, configFile: null }, { tokenFile: null, configFile }]) {
    const options: ClientOptions = { url, ...named };
    t.match(await restart({ ...options, ...asked }, () => {}).catch(messageOf), NOT_SENT);
    t.match(await get(options, 'api/v1/apps').catch(messageOf), NOT_SENT);
    const said: string[] = [];
    t.equal(await status({ ...options, json: false }, { ...quiet, printError: (line) => said.push(line) }), 3);
    t.match(said, [NOT_SENT]);
  }
  t.strictSame(new Set(given), new Set(['nothing']), 'asked who he is, nobody tells');
});

t.test('nor does one that is under way since the port was another’s, or a relay', async (t) => {
  if (why) return cannotRun(t, why);
  const { url, given, tokenFile } = await stranger(t);
  chmodSync(tokenFile, 0o640); // at first it may know the token
  const access = await accessOf({ url, tokenFile });
  chmodSync(tokenFile, 0o600);
  const lost = await new Promise<string>((resolve) => {
    const over = new AbortController();
    t.teardown(() => over.abort());
    const listener = { status: () => {}, apps: () => {}, incidents: () => {}, heard: () => {}, lost: resolve };
    void new Feed(url, systemClock, access).follow(listener, over.signal);
  });
  t.match(lost, NOT_SENT);
  t.match(await ask(url, 'api/v1/apps', access), { why: NOT_SENT });
  const wardens = await Wardens.open({ token_file: tokenFile, timeout: 1000, tls: {} } as WardensConfig);
  const target = { instance: 'box', origin: url, labels: {} };
  t.match(await wardens.apps(target).catch(messageOf), NOT_SENT);
  t.match(await wardens.deliver(target, [], true).catch(messageOf), NOT_SENT);
  t.strictSame(given, []);
});

t.test('who it is that listens there', async (t) => {
  if (why) return cannotRun(t, why);
  const { url, port, tokenFile } = await stranger(t);
  const own = createServer();
  await once(own.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => own.close());
  t.equal(await strangerAt(url, tokenFile), NOBODY);
  for (const name of ['localhost', '127.0.0.1', '127.1', '0.0.0.0', '[::ffff:127.0.0.1]']) t.equal(await strangerAt(`http://${name}:${port}/below`, tokenFile), NOBODY, name);
  t.equal(await strangerAt(`http://127.0.0.1:${(own.address() as AddressInfo).port}`, tokenFile), null, 'root');
  t.equal(await strangerAt(`https://127.0.0.1:${port}`, tokenFile), null, 'a certificate tells');
  t.equal(await strangerAt(`http://127.0.0.2:${port}`, tokenFile), null, 'another address');
  t.equal(await strangerAt(`http://192.0.2.1:${port}`, tokenFile), null, 'another machine');
  t.equal(await strangerAt(`http://nowhere.invalid:${port}`, tokenFile), null);
  t.equal(await strangerAt('http://127.0.0.1:1', tokenFile), null, 'nobody');
  chownSync(tokenFile, NOBODY, 0);
  t.equal(await strangerAt(url, tokenFile), null, 'his own token');
  chownSync(tokenFile, 0, 0);
  chmodSync(tokenFile, 0o640);
  t.equal(await strangerAt(url, tokenFile), null, 'a group may read it, of which he may be');
  chmodSync(tokenFile, 0o600);
  t.equal(await strangerAt(url, tokenFile), NOBODY);
});

t.test('on every address', async (t) => {
  if (why) return cannotRun(t, why);
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []).filter(({ scopeid }) => !scopeid);
  for (const host of ['0.0.0.0', '::', '::ffff:127.0.0.1', '::1']) {
    const { port, tokenFile } = await stranger(t, host);
    const reached = host === '::1' ? ['::1'] : ['127.0.0.1'];
    if (host === '0.0.0.0' || host === '::') reached.push(...addresses.filter(({ family }) => family === 'IPv4').map(({ address }) => address));
    for (const address of reached) {
      t.equal(await strangerAt(`http://${address.includes(':') ? `[${address}]` : address}:${port}`, tokenFile), NOBODY, `${address} at ${host}`);
    }
    if (host === '::1') t.equal(await strangerAt(`http://127.0.0.1:${port}`, tokenFile), null);
  }
});
