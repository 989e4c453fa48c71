/** A port that the process inherits: whichever way the app listens on it, and nothing else, takes it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { SharedPortOrder } from '../../src/agent/shared-port.cjs';
import { SharedPort } from '../../src/supervisors/shared-port.js';
import { until } from '../observe/support.js';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import { freePort } from '../supervisors/child-support.js';
import { get } from './load.js';
import { builtAgent, shortFolder, writeApp } from './support.js';

const NODES = NODE_MAJORS.map((major) => `node-${major}` as const);
t.jobs = 3;

interface Place {
  folder: string;
  agent: string;
  port: number;
  shared: SharedPort;
  url: string;
}

async function place(t: Test): Promise<Place> {
  const folder = shortFolder(t);
  const port = await freePort();
  const shared = await SharedPort.bind('shop', `127.0.0.1:${port}`);
  t.teardown(() => shared.close());
  return { folder, agent: builtAgent(folder), port, shared, url: `http://127.0.0.1:${port}/` };
}

interface Sharing {
  child: ChildProcess;
  door: string;
  output(): string;
  exited: Promise<number | NodeJS.Signals | null>;
}

interface Changes {
  node?: string;
  hold?: boolean;
  /** Instead of what SharedPort says. */
  listen?: string;
  fd?: number | 'ignore';
}

let doors = 0;

/** Runs `source`, in which PORT is the shared port and `tell` prints; ends it with the test. */
function run(t: Test, { folder, agent, port, shared }: Place, source: string, changes: Changes = {}): Sharing {
  const { node = process.execPath, hold = false, fd = shared.fd } = changes;
  const door = join(folder, `${(doors += 1)}`);
  const listen = changes.listen ?? JSON.stringify(shared.order({ fd: 3, ready: door, hold: hold ? 4 : null }));
  const prelude = `
    const PORT = ${port}, tell = (...words) => console.log(...words);
    const answer = (request, response) => response.end(String(process.pid));
    process.stdin.on('end', () => process.exit(0)).resume();
    const http = require('node:http');\n`;
  const script = writeApp(folder, `app${doors}.cjs`, prelude + source);
  const child = spawn('/usr/bin/env', ['-u', 'NODE_OPTIONS', node, '--require', agent, script], {
    env: { PATH: process.env['PATH'], HEAPWARDEN_LISTEN: listen, HEAPWARDEN_SOCKET: join(folder, 'absent') },
    stdio: ['pipe', 'pipe', 'pipe', fd, ...(hold ? ['pipe' as const] : [])],
  });
  let output = '';
  child.stdin!.on('error', () => {});
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (output += chunk));
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  });
  return { child, door, output: () => output, exited };
}

const says = (app: Sharing, what: string) => until(`"${what}"`, () => app.output().includes(what));

/** All of them say at which port they listen. */
const WAYS: Record<string, string> = {
  'a number': `const server = http.createServer(answer).listen(PORT, () => tell('at', server.address().port));`,
  'a text': `const server = http.createServer(answer).listen(String(PORT), () => tell('at', server.address().port));`,
  'a host': `const server = http.createServer(answer).listen(PORT, '127.0.0.1', () => tell('at', server.address().port));`,
  'all of it': `const server = http.createServer(answer).listen(PORT, '0.0.0.0', 10, () => tell('at', server.address().port));`,
  'options': `const server = http.createServer(answer).listen({ port: PORT, host: '::' }, () => tell('at', server.address().port));`,
  'options as text': `const server = http.createServer(answer).listen({ port: String(PORT), backlog: 3 });
    server.once('listening', () => tell('at', server.address().port));`,
  'the descriptor': `const server = http.createServer(answer).listen({ fd: 3 }, () => tell('at', server.address().port));`,
  'a server of its own kind': `class Own extends http.Server {}
    const server = new Own(answer); server.listen(PORT, () => tell('at', server.address().port));`,
  'a bare server': `const server = require('node:net').createServer((socket) => socket.end('HTTP/1.1 200 OK\\r\\n' +
    'Content-Length: ' + String(process.pid).length + '\\r\\n\\r\\n' + process.pid)).listen(PORT, () => tell('at', server.address().port));`,
};

t.test('two processes listen on one port at once, on every Node, in every way', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  for (const node of NODES) {
    for (const [name, source] of node === 'node-18' || node === 'node-26' ? Object.entries(WAYS) : Object.entries(WAYS).slice(0, 1)) {
      const here = await place(t);
      const apps = [run(t, here, source, { node: parts[node] }), run(t, here, source, { node: parts[node] })];
      for (const app of apps) await says(app, `at ${here.port}\n`);
      for (const app of apps) {
        t.equal((await get({ socketPath: app.door, path: '/' })).body, String(app.child.pid), `${node}, ${name}: its own door`);
        t.equal(statSync(app.door).mode & 0o777, 0o600);
      }
      t.match(await get(here.url), { status: 200 });
      for (const app of apps) app.child.stdin!.end();
      for (const app of apps) t.equal(await app.exited, 0);
      for (const app of apps) t.equal(app.output(), `at ${here.port}\n`, 'nothing else is said');
      here.shared.close();
    }
  }
});

t.test('https and http2 take it as well', async (t) => {
  for (const kind of ['https', 'http2']) {
    const here = await place(t);
    const source = `const server = require('node:${kind}').createServer().listen(PORT, () => tell('at', server.address().port));`;
    const apps = [run(t, here, source), run(t, here, source)];
    for (const app of apps) await says(app, `at ${here.port}\n`);
    t.ok(existsSync(apps[0]!.door) && existsSync(apps[1]!.door), kind);
  }
});

t.test('other servers are as they were, and a second one on the port is told so', async (t) => {
  const here = await place(t);
  const other = await freePort();
  const app = run(t, here, `
    const path = ${JSON.stringify(join(here.folder, 'theirs'))};
    tell('env', 'HEAPWARDEN_LISTEN' in process.env);
    const list = [[0], [${other}], [path], [{ port: 0 }], [{ path: path + '2' }], [PORT], [PORT]];
    list.forEach((args, i) => {
      const server = http.createServer(answer);
      server.on('error', (error) => tell(i, error.code));
      server.listen(...args, () => tell(i, JSON.stringify(server.address())));
    });
    try { http.createServer().listen(-1); } catch (error) { tell('thrown', error.code); }
    const twice = http.createServer().listen(0);
    try { twice.listen(PORT); } catch (error) { tell('thrown', error.code); }`);
  await says(app, '6 ');
  await says(app, '4 ');
  const lines = app.output();
  t.match(lines, 'env false', 'the app does not see it');
  t.match(lines, new RegExp(`1 .*"port":${other}[,}]`));
  t.match(lines, /2 ".*theirs"/);
  t.match(lines, new RegExp(`5 .*"port":${here.port}[,}]`), 'the first takes the port');
  t.match(lines, '6 EADDRINUSE', 'the descriptor is taken but once');
  t.match(lines, 'thrown ERR_SOCKET_BAD_PORT');
  t.match(lines, 'thrown ERR_SERVER_ALREADY_LISTEN');
  t.match(await get(here.url), { status: 200 });
});

t.test('held back, it listens for the app alone, until it is let in or heapwarden dies', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  for (const node of NODES) {
    const here = await place(t);
    const first = run(t, here, WAYS['a number']!, { node: parts[node] });
    await says(first, 'at');
    const held = run(t, here, WAYS['a number']!, { node: parts[node], hold: true });
    await says(held, `at ${here.port}`);
    t.equal((await get({ socketPath: held.door, path: '/' })).body, String(held.child.pid), `${node}: its door is open`);
    for (let i = 0; i < 20; i++) t.equal((await get(here.url)).body, String(first.child.pid), 'users get the other one');
    first.child.stdin!.end();
    await first.exited;
    const waiting = get(here.url);
    await sleep(300);
    t.equal(await Promise.race([waiting, 'still waits']), 'still waits');
    (held.child.stdio[4] as { destroy(): void }).destroy();
    t.equal((await waiting).body, String(held.child.pid));
  }
});

t.test('held back, an app can still end', async (t) => {
  const here = await place(t);
  const app = run(t, here, `process.stdin.pause().unref?.();
    const server = http.createServer(answer).listen(PORT, () => { tell('at'); server.close(() => tell('closed')); });`, { hold: true });
  t.equal(await app.exited, 0);
  t.equal(app.output(), 'at\nclosed\n');
  t.notOk(existsSync(app.door));
});

t.test('an aborted signal closes it', async (t) => {
  const here = await place(t);
  const app = run(t, here, `const closing = new AbortController();
    const server = http.createServer(answer).on('close', () => tell('closed'));
    server.listen({ port: PORT, signal: closing.signal }, () => { tell('at'); closing.abort(); });`);
  await says(app, 'at\nclosed\n');
});

t.test('who has the variable alone, or nonsense in it, listens as ever', async (t) => {
  const here = await place(t);
  const { port } = here;
  here.shared.close();
  const order: SharedPortOrder = { port, fd: 3, inode: 1, ready: join(here.folder, 'never'), hold: 4 };
  const texts = [JSON.stringify(order), JSON.stringify({ ...order, fd: 'x' }), JSON.stringify({ ...order, fd: 99 }), 'null', '{', ''];
  for (const listen of texts) {
    const app = run(t, here, `tell('env', 'HEAPWARDEN_LISTEN' in process.env); ${WAYS['a number']}`, { listen, fd: 'ignore' });
    await says(app, `at ${port}`);
    t.match(app.output(), 'env true', listen);
    t.equal((await get(here.url)).body, String(app.child.pid));
    t.notOk(existsSync(order.ready));
    app.child.stdin!.end();
    await app.exited;
  }
});
