/** A process that is about to be stopped: nothing that has begun is broken off, and nothing new begins. */
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import type { AgentHub } from '../../src/observe/hub.js';
import { until } from '../observe/support.js';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import { get, keepAlive } from './load.js';
import { builtAgent, openHub, runApp, shortFolder, untilStats, writeApp, type RunningApp } from './support.js';

const NODES = NODE_MAJORS.map((major) => `node-${major}` as const);
t.jobs = 3;

/**
 * Without any thought of its end. `/slow` is answered half a second after nobody listens any more, `/endless` never;
 * `/begun` says how many of these it has.
 */
const SERVER = `
  let begun = 0;
  const whenClosed = (act) => (server.listening ? setTimeout(whenClosed, 20, act) : setTimeout(act, 500));
  const server = require('node:http').createServer((request, response) => {
    if (request.url === '/begun') return void response.end(String(begun));
    const answer = () => response.end(String(process.pid));
    if (request.url !== '/slow' && request.url !== '/endless') return void answer();
    begun += 1;
    if (request.url === '/slow') whenClosed(answer);
    else response.write('it goes on');
  });`;
/** Says its port. */
const PLAIN = `${SERVER}
  process.stdin.once('data', () => server.listen(0, '127.0.0.1', () => console.log(server.address().port)));`;

interface Server {
  app: RunningApp;
  hub: AgentHub;
  url: string;
  socket: string;
}

async function serve(t: Test, node: string, source = PLAIN): Promise<Server> {
  const folder = shortFolder(t);
  const socket = join(folder, 'agent.sock');
  const { hub } = await openHub(t, socket);
  const script = writeApp(folder, 'app.cjs', source);
  const app = runApp(t, node, ['--require', builtAgent(folder), script], { HEAPWARDEN_SOCKET: socket });
  const url = `http://127.0.0.1:${await app.ask('listen')}/`;
  await untilStats(hub, app.pid);
  return { app, hub, url, socket };
}

const untilBegun = (url: string, count: number): Promise<boolean> =>
  until(`${count} requests to have begun`, async () => (await get(`${url}begun`)).body === String(count));

const elapsed = () => {
  const begun = performance.now();
  return () => Math.round(performance.now() - begun);
};

for (const node of NODES) {
  t.test(`${node}: requests end, connections are told to, none are taken`, async (t) => {
    const parts = needParts(t, node);
    if (!parts) return;
    const { app, hub, url } = await serve(t, parts[node]);
    const [idle, busy] = [keepAlive(t), keepAlive(t)];
    t.equal((await get(url, idle)).connection, 'keep-alive');
    t.equal((await get(url, busy)).connection, 'keep-alive');
    const slow = [get(`${url}slow`, busy), get(`${url}slow`)];
    await untilBegun(url, 2);
    const ms = elapsed();
    const drained = hub.drain(app.pid, 20_000);
    await until('the port to be closed, before they are answered', () => isClosed(url));
    for (const answer of await Promise.all(slow)) t.match(answer, { status: 200, body: String(app.pid) });
    t.match(await get(url, idle), { status: 200, connection: 'close' }, 'an idle connection was not cut');
    t.match(await get(url, busy), { status: 200, connection: 'close' }, 'nor the one that was busy');
    t.match(await drained, { complete: true, deaf: true });
    t.ok(ms() < 5000, `${ms()} ms: no longer than the requests took`);
    app.child.kill('SIGTERM');
    t.equal(await app.exited, 'SIGTERM', 'it waits for its signal, and ends as ever');
    t.equal(app.output().split('\n').length, 2, 'it says nothing but its port');
  });
}

/** Whether nobody listens on its port. */
function isClosed(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.once('error', () => resolve(true));
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
  });
}

t.test('what has no end is waited for until the time is over', async (t) => {
  const { app, hub, url } = await serve(t, process.execPath);
  const endless = connect(Number(new URL(url).port), '127.0.0.1');
  endless.on('error', () => {});
  t.teardown(() => endless.destroy());
  endless.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n');
  await new Promise((resolve) => endless.once('data', resolve));
  const idle = keepAlive(t);
  await get(url, idle);
  const ms = elapsed();
  t.match(await hub.drain(app.pid, 1500), { complete: false });
  t.ok(ms() >= 1500 && ms() < 4900, `${ms()} ms: the server itself closes what is idle after 5 s`);
  await t.rejects(get(url, idle), 'the idle connection was closed then');
  t.notOk(endless.destroyed, 'the endless one was not');
});

t.test('the next warden is told, where a server was closed', async (t) => {
  const lasting = (source: string) => `setInterval(() => {}, 1e6); ${source}`;
  const mute = "process.stdin.once('data', () => console.log(1));";
  const toldNext = async (source: string, deaf: boolean) => {
    const { app, hub, socket } = await serve(t, process.execPath, lasting(source));
    t.notOk(hub.report(app.pid)?.wasDrained);
    t.strictSame(await hub.drain(app.pid, 5000), { complete: true, deaf });
    await hub.close();
    const next = await openHub(t, socket);
    await untilStats(next.hub, app.pid);
    return next.hub.report(app.pid)!.wasDrained;
  };
  t.equal(await toldNext(PLAIN, true), true);
  t.equal(await toldNext(mute, false), undefined, 'one without a server goes on as it was');
});

t.test('idle connections are closed when their clients count on them no longer', async (t) => {
  const { app, hub, url } = await serve(t, process.execPath, PLAIN.replace('process.stdin', 'server.keepAliveTimeout = 60_000; process.stdin'));
  await get(url, keepAlive(t));
  const ms = elapsed();
  t.match(await hub.drain(app.pid, 20_000), { complete: true });
  t.ok(ms() >= 5500 && ms() < 18_000, `${ms()} ms`);
});

t.test('an app that ends itself on SIGTERM does so, with its server closed already', async (t) => {
  const { app, hub, url } = await serve(t, process.execPath, `${PLAIN}
    process.on('SIGTERM', () => server.close((error) => { console.log(error.code); process.exitCode = 7; process.exit(); }));`);
  await get(url);
  t.match(await hub.drain(app.pid, 5000), { complete: true });
  app.child.kill('SIGTERM');
  t.equal(await app.exited, 7);
  t.match(app.output(), 'ERR_SERVER_NOT_RUNNING');
});

/** Has the agent come when it listens already; says its port and its pid. */
const LATE = `
  const attach = () => require(process.env.ATTACHED).attach({ socket: process.env.HEAPWARDEN_SOCKET });
${SERVER}
  server.listen(0, '127.0.0.1', () => {
    attach();
    console.log(JSON.stringify([server.address().port, process.pid]));
  });`;
const LATE_CLUSTER = `
  const cluster = require('node:cluster');
  if (cluster.isPrimary) cluster.fork();
  else {${LATE}}`;

async function serveLate(t: Test, node: string, source: string) {
  const folder = shortFolder(t);
  const socket = join(folder, 'agent.sock');
  const { hub } = await openHub(t, socket);
  const env = { HEAPWARDEN_SOCKET: socket, ATTACHED: join(dirname(builtAgent(folder)), 'attached.cjs') };
  const app = runApp(t, node, [writeApp(folder, 'app.cjs', source)], env);
  const [port, pid] = JSON.parse(await app.ask('listen')) as [number, number];
  await untilStats(hub, pid);
  return { app, hub, pid, url: `http://127.0.0.1:${port}/` };
}

for (const node of NODES) {
  t.test(`${node}: an agent that comes later finds what listens already, or says that it may not have`, async (t) => {
    const parts = needParts(t, node);
    if (!parts) return;
    const plain = await serveLate(t, parts[node], LATE);
    const slow = get(`${plain.url}slow`);
    await untilBegun(plain.url, 1);
    const drained = plain.hub.drain(plain.pid, 20_000);
    await until('the port to be closed', () => isClosed(plain.url));
    t.match(await slow, { status: 200, body: String(plain.pid) });
    t.match(await drained, { complete: true });
    t.equal(plain.app.output().split('\n').length, 2, 'it says nothing but its port');

    const unseen = await serveLate(t, parts[node], LATE_CLUSTER);
    t.match(await unseen.hub.drain(unseen.pid, 20_000), { complete: false }, 'a server in a worker of a cluster');
    const seen = await serveLate(t, parts[node], LATE_CLUSTER);
    const idle = keepAlive(t);
    t.match(await get(seen.url, idle), { status: 200, connection: 'keep-alive' });
    const inPart = seen.hub.drain(seen.pid, 20_000);
    await until('the port to be closed', () => isClosed(seen.url));
    t.match(await get(seen.url, idle), { status: 200, connection: 'close' }, 'one that has a connection is found');
    t.match(await inPart, { complete: false }, 'but there may be others');

    const unref = await serveLate(t, parts[node], `${LATE} server.unref(); setInterval(() => {}, 1000);`);
    t.match(await unref.hub.drain(unref.pid, 20_000), { complete: false }, 'where it finds none, there may be one all the same');
  });
}

t.test('a process without a server has nothing to finish', async (t) => {
  const { app, hub } = await serve(t, process.execPath, `process.stdin.once('data', () => console.log(0)).resume();`);
  t.match(await hub.drain(app.pid, 5000), { complete: true });
});

t.test('nobody waits for a process that does not hear', async (t) => {
  const { app, hub } = await serve(t, process.execPath);
  t.match(await hub.drain(1, 20_000), { complete: false }, 'nor for one without an agent');
  app.child.kill('SIGSTOP');
  const ms = elapsed();
  t.match(await hub.drain(app.pid, 20_000), { complete: false });
  t.ok(ms() < 15_000, `${ms()} ms`);
  const other = await serve(t, process.execPath);
  const endless = connect(Number(new URL(other.url).port), '127.0.0.1');
  endless.on('error', () => {});
  t.teardown(() => endless.destroy());
  await new Promise((resolve) => endless.once('connect', resolve));
  const drained = other.hub.drain(other.app.pid, 20_000);
  await until('it to have heard', () => isClosed(other.url));
  other.app.child.kill('SIGKILL');
  t.match(await drained, { complete: false }, 'nor for one that has died of it');
});

t.test('armed, a plain app drains on the signal and ends by it', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const { app, hub, url } = await serve(t, process.execPath);
    t.equal(await hub.arm(app.pid, 10_000), true);
    t.equal(await hub.arm(app.pid, 9000), true, 'twice is as well');
    const slow = get(`${url}slow`);
    await untilBegun(url, 1);
    app.child.kill(signal);
    await until('the port to be closed', () => isClosed(url));
    t.match(await slow, { status: 200 });
    t.equal(await app.exited, signal);
  }
});

t.test('armed, it ends when its time is over, or at the second signal', async (t) => {
  for (const again of [false, true]) {
    const { app, hub, url } = await serve(t, process.execPath);
    t.equal(await hub.arm(app.pid, again ? 60_000 : 1000), true);
    const endless = t.rejects(get(`${url}endless`));
    await untilBegun(url, 1);
    const ms = elapsed();
    app.child.kill('SIGINT');
    await until('the port to be closed', () => isClosed(url));
    if (again) app.child.kill('SIGINT');
    t.equal(await app.exited, 'SIGINT');
    t.ok(ms() >= (again ? 0 : 1000) && ms() < 15_000, `${ms()} ms: before its client gives up`);
    await endless;
  }
});

t.test('armed, an app with a mind of its own is left to it', async (t) => {
  const own = `process.on('SIGINT', () => { console.log('mine'); process.exit(3); });`;
  for (const late of [false, true]) {
    const listens = `process.stdin.once('data', () => { ${own} console.log('listens'); });`;
    const source = late ? `${PLAIN} process.stdin.once('data', () => { ${listens} });` : `${PLAIN} ${own}`;
    const { app, hub } = await serve(t, process.execPath, source);
    t.equal(await hub.arm(app.pid, 10_000), true);
    if (late) t.equal(await app.ask('listen to SIGINT'), 'listens');
    app.child.kill('SIGINT');
    t.equal(await app.exited, 3, late ? 'even where it comes to it later' : 'from the beginning');
    t.match(app.output(), 'mine');
  }
});
