/** Linux: a user without rights has the port of a warden that is down, and waits for its token. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import { accessOf } from '../../src/commands/access.js';
import { get, post } from '../../src/commands/client.js';
import { ask } from '../../src/commands/doctor/ask.js';
import type { ClientOptions } from '../../src/commands/options.js';
import { restart } from '../../src/commands/restart.js';
import { status } from '../../src/commands/status.js';
import { messageOf } from '../../src/errors.js';
import { call } from '../../src/http/client.js';
import { Feed } from '../../src/monitor/feed.js';
import { cannotRun } from '../parts/index.js';

const NOBODY = 65534;

/** Asks whoever comes who he is, as a warden with users does, and prints what it is given. `how` says when it accepts. */
const STRANGER = `
process.setgid(${NOBODY});
process.setuid(${NOBODY});
const [host, how] = process.argv.slice(1);
const server = require('node:http').createServer((request, response) => {
  console.log(request.headers.authorization ?? 'nothing');
  response.writeHead(401, { 'content-type': 'application/json', connection: 'close' }).end('{}');
});
server.listen(0, host, () => {
  const { port } = server.address();
  process.stdout.write(port + '\\n', () => {
    // The kernel takes connections for it meanwhile, which are nobody's yet.
    if (how === 'late') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
    if (how === 'on and off') setInterval(() => server.listening ? server.close() : server.listen(port, host), 3);
  });
});
`;

async function stranger(t: Test, { host = '127.0.0.1', how = 'always' } = {}) {
  const child = spawn(process.execPath, ['-e', STRANGER, host, how], { env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const given: string[] = [];
  const port = new Promise<string>((resolve, reject) => {
    lines.once('line', resolve);
    child.once('exit', () => reject(new Error('it ended without a word')));
  });
  /** All that it was given. */
  const end = async (): Promise<string[]> => {
    const isRead = once(lines, 'close');
    child.kill('SIGKILL');
    await isRead;
    return given;
  };
  t.teardown(() => child.kill('SIGKILL'));
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${await port}`;
  lines.on('line', (line) => given.push(line));
  const folder = t.testdir({ token: 's3cret', 'heapwarden.yml': 'auth: { token_file: ./token }\nstate_dir: .\n' });
  const [tokenFile, configFile] = [join(folder, 'token'), join(folder, 'heapwarden.yml')];
  chmodSync(tokenFile, 0o600);
  const options: ClientOptions = { url, tokenFile: null, configFile };
  return { url, tokenFile, options, end };
}

const why = process.platform !== 'linux' ? 'only Linux tells whose a connection is' : process.getuid?.() !== 0 ? 'only root can be two users' : null;
const NOT_SENT = new RegExp(`the token of the config was not sent: what listens at http://.* is a program of user ${NOBODY}, who may not read that file`);
const asked = { app: 'shop', worker: null, reason: 'manual', force: false, dryRun: false } as const;

t.test('no command gives it the token', async (t) => {
  if (why) return cannotRun(t, why);
  const { url, options, end } = await stranger(t);
  t.match(await restart({ ...options, ...asked }, () => {}).catch(messageOf), NOT_SENT);
  t.match(await get(options, 'api/v1/apps').catch(messageOf), NOT_SENT);
  const said: string[] = [];
  t.equal(await status({ ...options, json: false }, { print: () => {}, printError: (line) => said.push(line) }), 3);
  t.match(said, [NOT_SENT]);
  t.match(await ask(url, 'api/v1/apps', await accessOf(options)), { why: NOT_SENT });
  const over = new AbortController();
  const access = await accessOf(options);
  const lost = await new Promise<string>((resolve) => {
    const listener = { status: () => {}, apps: () => {}, incidents: () => {}, heard: () => {}, lost: resolve };
    void new Feed(url, systemClock, access).follow(listener, over.signal);
  });
  over.abort();
  t.match(lost, NOT_SENT);
  t.strictSame(await end(), Array<string>(4).fill('nothing'), 'those who read were asked who they are, and did not tell');
});

t.test('however fast it comes and goes, or late it accepts', async (t) => {
  if (why) return cannotRun(t, why);
  const fleeting = await stranger(t, { how: 'on and off' });
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) seen.add((await restart({ ...fleeting.options, ...asked }, () => {}).catch(messageOf) as string).replace(/:\d+/, ''));
  t.ok([...seen].some((message) => NOT_SENT.test(message)), 'met');
  t.ok([...seen].some((message) => message.startsWith('no heapwarden answers')), 'and missed');
  t.strictSame(await fleeting.end(), []);

  const late = await stranger(t, { how: 'late' });
  t.match(await restart({ ...late.options, ...asked }, () => {}).catch(messageOf), NOT_SENT);
  t.strictSame(await late.end(), []);
});

t.test('on every address', async (t) => {
  if (why) return cannotRun(t, why);
  for (const [host, named] of [
    ['0.0.0.0', ['127.0.0.1', 'localhost', '127.0.0.2', '0.0.0.0', 'own']],
    ['::', ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', 'own']],
    ['::ffff:127.0.0.1', ['127.0.0.1']],
    ['::1', ['[::1]']],
  ] as const) {
    const { url, options, end } = await stranger(t, { host });
    for (const name of named) {
      const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []).find(({ family }) => family === 'IPv4')!.address;
      const there = `http://${name === 'own' ? own : name}:${new URL(url).port}`;
      t.match(await restart({ ...options, url: there, ...asked }, () => {}).catch(messageOf), NOT_SENT, `${name} at ${host}`);
    }
    t.strictSame(await end(), []);
  }
});

t.test('it is sent to whoever may know it, and where a person says so', async (t) => {
  if (why) return cannotRun(t, why);
  const { url, tokenFile, options, end } = await stranger(t);
  const refused = () => restart({ ...options, ...asked }, () => {}).catch(messageOf);
  const unknown = /does not know the token in /; // its answer
  chownSync(tokenFile, NOBODY, 0);
  t.match(await refused(), unknown, 'its own');
  chownSync(tokenFile, 0, 0);
  chmodSync(tokenFile, 0o640);
  t.match(await refused(), unknown, 'a group may read it, of which it may be');
  chmodSync(tokenFile, 0o600);
  t.match(await refused(), NOT_SENT);
  t.match(await restart({ url, tokenFile, configFile: null, ...asked }, () => {}).catch(messageOf), unknown, 'named');
  t.strictSame(await end(), Array<string>(3).fill('Bearer s3cret'));
});

t.test('a server of this very user, of both families', async (t) => {
  const tokenFile = join(t.testdir({ token: 's3cret', 'heapwarden.yml': 'auth: { token_file: ./token }\nstate_dir: .\n' }), 'token');
  chmodSync(tokenFile, 0o600);
  const given: unknown[] = [];
  const server = createServer(({ headers }, response) => {
    given.push(headers.authorization);
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"decisions":[]}');
  });
  await once(server.listen(0), 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const options = { tokenFile: null, configFile: join(dirname(tokenFile), 'heapwarden.yml') };
  for (const host of ['127.0.0.1', 'localhost', '[::1]']) await post({ ...options, url: `http://${host}:${port}` }, 'x', {});
  t.strictSame(given, Array(3).fill('Bearer s3cret'));
});

/** Accepts late, and only to hang up: meanwhile it is not known whose the connection is. */
const HANGS_UP = `
const server = require('node:net').createServer((socket) => socket.resetAndDestroy());
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(server.address().port + '\\n', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500));
});
`;

t.test('a connection that breaks before it is known whose it is', async (t) => {
  const folder = t.testdir({ token: 's3cret', 'heapwarden.yml': 'auth: { token_file: ./token }\nstate_dir: .\n' });
  chmodSync(join(folder, 'token'), 0o600);
  const child = spawn(process.execPath, ['-e', HANGS_UP], { env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const [port] = await once(child.stdout, 'data');
  const options = { url: `http://127.0.0.1:${Number(String(port))}`, tokenFile: null, configFile: join(folder, 'heapwarden.yml') };
  t.match(await post(options, 'x', {}, 5000).catch(messageOf), /^no heapwarden answers at .* \((?!no answer within)/);
});

t.test('a 401 whose body is damaged is an answer all the same', async (t) => {
  const server = createServer((_, response) => response.writeHead(401, { 'content-encoding': 'gzip' }).end('no gzip at all'));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const onUnauthorized = async () => {
    await sleep(100);
    return null;
  };
  const { status, body } = await call(url, { onUnauthorized });
  t.equal(status, 401);
  body.destroy();
});
