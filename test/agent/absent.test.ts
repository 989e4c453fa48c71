/** The warden absent, gone, stuck or mad: the app lives and ends as it would without heapwarden. */
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { AgentFrame, WardenFrame } from '../../src/agent/protocol.cjs';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import { builtAgent, openHub, runApp, shortFolder, until, untilStats, writeApp } from './support.js';

const NODES = NODE_MAJORS.map((major) => `node-${major}` as const);
// Most of them wait.
t.jobs = 5;

const STAYS = `process.stdin.on('end', () => {}).resume();`;

t.test('an app with nothing to do exits, whatever the warden does', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const socket = join(folder, 'agent.sock');
  const stuck = join(folder, 'stuck.sock');
  await openHub(t, socket);
  // Fills the agent's allowance ten times a second, then reads and answers nothing, being stopped.
  const stuckWarden = runApp(t, process.execPath, [
    writeApp(folder, 'stuck.mjs', `
      import { createServer } from 'node:net';
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.write('{"type":"welcome","protocol":1,"stats_interval_ms":100}\\n', () => {
          socket.pause();
          if (++count === ${NODES.length}) console.log('welcomed all');
        });
      });
      let count = 0;
      process.stdin.once('data', () => server.listen(${JSON.stringify(stuck)}, () => console.log('listening')));`),
  ], {});
  t.equal(await stuckWarden.ask('listen'), 'listening');

  const short = writeApp(folder, 'short.cjs', '');
  const long = writeApp(folder, 'long.cjs', 'setTimeout(() => {}, 8000);');
  const preload = ['--require', agent];
  const longRuns = NODES.map((node) => runApp(t, parts[node], [...preload, long], { HEAPWARDEN_SOCKET: stuck }));
  t.equal(await stuckWarden.ask('wait for them'), 'welcomed all');
  stuckWarden.child.kill('SIGSTOP');

  const surroundings: Record<string, Record<string, string>> = {
    'no warden': { HEAPWARDEN_SOCKET: join(folder, 'absent.sock') },
    'told nothing': { XDG_RUNTIME_DIR: folder, TMPDIR: folder },
    "a path that is no socket's": { HEAPWARDEN_SOCKET: short },
    'a path too long for a socket': { HEAPWARDEN_SOCKET: `/tmp/${'long'.repeat(50)}` },
    'a warden': { HEAPWARDEN_SOCKET: socket },
    'a stopped warden': { HEAPWARDEN_SOCKET: stuck },
  };
  const runs = NODES.flatMap((node) =>
    Object.entries(surroundings).map(([name, env]) => ({
      name: `${node}, ${name}`,
      app: runApp(t, parts[node], [...preload, short], env),
      mostMs: 10_000,
    })),
  );
  // By 30 s the agent has given the warden up, which would let an app go that it has held until then.
  runs.push(...longRuns.map((app, i) => ({ name: `${NODES[i]}, a warden that got stuck`, app, mostMs: 20_000 })));
  for (const { name, app, mostMs } of runs) {
    t.equal(await app.exited, 0, name);
    t.ok(app.lifeMs() < mostMs, `${name}: at once (${app.lifeMs().toFixed()} ms)`);
    t.equal(app.output(), '', `${name}: nothing printed`);
  }
});

t.test('finds the warden again after it has been away', async (t) => {
  const parts = needParts(t, ...NODES);
  if (!parts) return;
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const socket = join(folder, 'agent.sock');
  const script = writeApp(folder, 'app.cjs', STAYS);
  const apps = NODES.map((node) => runApp(t, parts[node], ['--require', agent, script], { HEAPWARDEN_SOCKET: socket }));
  const { hub: first } = await openHub(t, socket);
  for (const app of apps) await untilStats(first, app.pid);
  await first.close();
  t.same(first.reports(), []);
  const { hub: second } = await openHub(t, socket);
  for (const [i, app] of apps.entries()) t.ok(await untilStats(second, app.pid), NODES[i]!);
  for (const app of apps) {
    app.child.stdin!.end();
    t.equal(await app.exited, 0);
  }
});

/** A warden that does only what a test tells it to. */
async function scriptedWarden(t: Test, path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return server;
}

const say = (socket: Socket, frame: WardenFrame) => socket.write(`${JSON.stringify(frame)}\n`);

/** Collects an agent's frames. */
function framesOf(socket: Socket): AgentFrame[] {
  const frames: AgentFrame[] = [];
  let rest = '';
  socket.on('data', (chunk) => {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop()!;
    frames.push(...lines.map((line) => JSON.parse(line) as AgentFrame));
  });
  return frames;
}

t.test('stops talking to a warden that does not read, and after 30 s looks for another', async (t) => {
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const path = join(folder, 'agent.sock');
  const connections: { socket: Socket; frames: AgentFrame[]; atMs: number }[] = [];
  await scriptedWarden(t, path, (socket) => {
    connections.push({ socket, frames: framesOf(socket), atMs: performance.now() });
    say(socket, { type: 'welcome', protocol: 1, stats_interval_ms: 100 });
  });
  const app = runApp(t, process.execPath, ['--require', agent, writeApp(folder, 'app.cjs', STAYS)], {
    HEAPWARDEN_SOCKET: path,
  });
  const [first] = await until('a connection', () => connections.length > 0 && connections);
  const numbered = () => first!.frames.flatMap((frame) => ('n' in frame ? frame.n : []));
  await until('the allowance to be used up', () => numbered().length >= 32);
  const full = Array.from({ length: 32 }, (_, i) => i + 1);
  const second = await until('another connection', () => connections[1] ?? null, 45_000);
  t.same(numbered(), full, '32 frames, and not one more in half a minute');
  const waitedMs = second.atMs - first!.atMs;
  t.ok(waitedMs > 29_000 && waitedMs < 40_000, `waited ${waitedMs} ms`);

  await until('the second allowance to be used up', () => second.frames.length > 32);
  say(second.socket, { type: 'ack', n: 30 });
  await until('more frames after an ack', () => second.frames.length > 32 + 20);
  app.child.stdin!.end();
  t.equal(await app.exited, 0);
});

t.test('one answer to many samples, and none to what it does not know', async (t) => {
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const path = join(folder, 'agent.sock');
  const connections: { socket: Socket; frames: AgentFrame[] }[] = [];
  await scriptedWarden(t, path, (socket) => connections.push({ socket, frames: framesOf(socket) }));
  const app = runApp(t, process.execPath, ['--require', agent, writeApp(folder, 'app.cjs', STAYS)], {
    HEAPWARDEN_SOCKET: path,
  });
  const connection = await until('a connection', () => connections[0] ?? null);
  const samples = [1, 2, 3].map((request) => JSON.stringify({ type: 'sample', request }));
  connection.socket.write(`${['{"type":"newer"}', ...samples].join('\n')}\n`);
  const answer = await until('an answer', () => connection.frames.find((frame) => frame.type === 'stats') ?? null);
  t.match(answer, { request: 3 });
  for (const noise of ['no JSON\n', '[1]\n17\n', 'null\n', `${'x'.repeat(70_000)}\n`]) {
    const { length } = connections;
    connections.at(-1)!.socket.write(noise);
    await until(`a new connection after ${noise.slice(0, 8)}`, () => connections.length > length);
  }
  t.equal(connections[0]!.frames.filter((frame) => frame.type === 'stats').length, 1, 'three samples, one answer');
  app.child.stdin!.end();
  t.equal(await app.exited, 0);
  t.equal(app.output(), '');
});

t.test('an app that breaks what the agent relies on is not broken in return', async (t) => {
  const folder = shortFolder(t);
  const agent = builtAgent(folder);
  const socket = join(folder, 'agent.sock');
  const { hub } = await openHub(t, socket, 100);
  const app = runApp(t, process.execPath, ['--require', agent, writeApp(folder, 'app.cjs', `
    process.stdin.once('data', () => {
      process.memoryUsage = process.getActiveResourcesInfo = () => { throw new Error('not today'); };
      console.log('broken');
    });`)], { HEAPWARDEN_SOCKET: socket });
  await untilStats(hub, app.pid);
  await app.ask('break it');
  const { statsAt, heartbeatAt } = hub.report(app.pid)!;
  await until('heartbeats without stats', () => hub.report(app.pid)!.heartbeatAt >= heartbeatAt + 1500);
  t.ok(hub.report(app.pid)!.statsAt! < statsAt! + 1000, 'no stats since');
  app.child.stdin!.end();
  t.equal(await app.exited, 0);
  t.equal(app.output(), 'broken\n');
});
