/** A program that speaks the agent's protocol and means harm, on the real socket. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { GC_BUCKETS_SECONDS } from '../../src/agent/protocol.cjs';
import { systemClock } from '../../src/clock.js';
import { AgentHub, type AgentHubOptions } from '../../src/observe/hub.js';
import { FrameBudget } from '../../src/observe/frame-budget.js';
import { parseProcStat } from '../../src/observe/linux.js';
import { until } from '../agent/support.js';
import { MemoryLog } from '../act/support.js';

const onLinux = { skip: process.platform !== 'linux' && 'Linux only: /proc tells when a process has started' };
const HELLO = { type: 'hello', protocol: 1, node: '22.0.0', app: 'shop' };

async function listening(t: Test, options: Partial<AgentHubOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const log = new MemoryLog();
  const path = join(folder, 'agent.sock');
  const hub = new AgentHub({ path, statsIntervalMs: 5000, clock: systemClock, log, ...options });
  t.teardown(() => hub.close());
  await hub.listen();
  return { hub, log, path };
}

class Liar {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  heard = '';

  constructor(t: Test, path: string) {
    this.socket = connect(path);
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk) => (this.heard += String(chunk)));
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    t.teardown(() => this.socket.destroy());
  }

  say(...frames: object[]): void {
    this.socket.write(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
  }
}

/** A process that does nothing, until the test is over. */
async function bystander(t: Test): Promise<ChildProcess & { pid: number }> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6); console.log(1)'], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child as ChildProcess & { pid: number };
}

const startOf = (pid: number): number => parseProcStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))!.start;

t.test('a pid with another start time is refused: it was an earlier process', onLinux, async (t) => {
  const { hub, log, path } = await listening(t);
  const { pid } = await bystander(t);
  const liar = new Liar(t, path);
  liar.say({ ...HELLO, pid, start: startOf(pid) + 1 });
  await liar.closed;
  t.equal(hub.report(pid), null);
  t.match(log.at('warn'), [/process \d+ has not started when it says so/]);
  const honest = new Liar(t, path);
  honest.say({ ...HELLO, pid, start: startOf(pid) });
  await until('it to be known', () => hub.report(pid) !== null);
});

t.test('nobody takes the place of an agent that is there, be it frozen', async (t) => {
  const { hub, log, path } = await listening(t);
  const { pid } = await bystander(t);
  const own = new Liar(t, path);
  const known = process.platform === 'linux' ? { pid, start: startOf(pid) } : { pid };
  own.say({ ...HELLO, ...known });
  await until('it to be known', () => hub.report(pid) !== null);
  const before = hub.report(pid)!;
  for (const claim of [{ pid }, known]) {
    const liar = new Liar(t, path);
    liar.say({ ...HELLO, ...claim, app: 'other' }, { type: 'beat', n: 1 });
    await liar.closed;
    t.notMatch(liar.heard, /welcome/);
  }
  t.match(hub.report(pid), { app: 'shop', heartbeatAt: before.heartbeatAt }, 'it is as silent as it was');
  t.match(log.at('warn'), [/process \d+ has an agent already, which stays/]);
  own.say({ type: 'beat', n: 8 });
  await until('it to be heard', () => own.heard.includes('"ack"'));
});

t.test('who gives no start time speaks for a process until one comes that does', onLinux, async (t) => {
  const { pid } = await bystander(t);
  const start = 5000;
  const coming: [string, object, number][] = [
    ['its own agent', { ...HELLO, pid, start }, start],
    ['its own, seen from another pid namespace', { ...HELLO, pid: 1, pid_namespace: 7, start }, start],
    ['that of a later process with this pid', { ...HELLO, pid, start: start + 1 }, start + 1],
  ];
  for (const [name, hello, seen] of coming) {
    let now = start;
    const { hub, log, path } = await listening(t, { startOf: async () => now, nestedProcesses: async () => [{ pid, innerPid: 1, start, namespace: 7 }] });
    const liar = new Liar(t, path);
    liar.say({ ...HELLO, pid, app: 'other', ...(seen === start ? {} : { start }) });
    await until('it to be known', () => hub.report(pid)?.app === 'other');
    now = seen;
    const own = new Liar(t, path);
    own.say(hello);
    await liar.closed;
    await until('it to be known', () => hub.report(pid)?.app === 'shop');
    t.match(log.at('warn'), [/^other: the agent of process \d+ was closed, for it did not tell when that process started/], name);
    own.say({ type: 'beat', n: 8 });
    await until('it to be heard', () => own.heard.includes('"ack"'));
  }
});

t.test('a start time that cannot be seen proves nothing', async (t) => {
  const { hub, log, path } = await listening(t, { startOf: async () => null });
  const { pid } = await bystander(t);
  const own = new Liar(t, path);
  own.say({ ...HELLO, pid });
  await until('it to be known', () => hub.report(pid) !== null);
  const liar = new Liar(t, path);
  liar.say({ ...HELLO, pid, app: 'other', start: 5000 });
  await liar.closed;
  t.equal(hub.report(pid)?.app, 'shop');
  t.match(log.at('warn'), [/process \d+ has an agent already, which stays/]);
});

t.test('an agent that comes back at once is let in: that its old connection has ended is news at the same moment', async (t) => {
  const { hub, path } = await listening(t);
  const { pid } = await bystander(t);
  const first = new Liar(t, path);
  first.say({ ...HELLO, pid });
  await until('it to be known', () => hub.report(pid) !== null);
  const second = new Liar(t, path);
  second.say({ ...HELLO, pid, app: 'again' });
  setTimeout(() => first.socket.destroy(), 50);
  await until('the second to be known', () => hub.report(pid)?.app === 'again');
  t.notOk(second.socket.destroyed);
});

t.test('frames without end, and without measure', async (t) => {
  const { hub, log, path } = await listening(t);
  const { pid } = await bystander(t);
  const liar = new Liar(t, path);
  liar.say({ ...HELLO, pid });
  await until('it to be known', () => hub.report(pid) !== null);
  const beats = Array.from({ length: 5000 }, (_, n) => ({ type: 'beat', n: n + 1 }));
  liar.say(...beats);
  await liar.closed;
  t.match(log.at('warn'), [/says more than any agent does/]);
  await until('it to be forgotten', () => hub.report(pid) === null);

  const unending = new Liar(t, path);
  unending.say({ ...HELLO, pid });
  unending.socket.write('x'.repeat(200_000));
  await unending.closed;
  t.equal(hub.report(pid), null);
});

t.test('what a true agent says at most is let through, for ever', async (t) => {
  let nowMs = 0;
  const budget = new FrameBudget(() => nowMs);
  // Stats ten times a second, each of 6 kB, a beat a second, and 32 of them at once after the warden stood still.
  for (let second = 0; second < 3600; second++, nowMs += 1000) {
    for (let i = 0; i < 10; i++) if (!budget.take(1, 6000)) return t.fail(`second ${second}`);
    if (!budget.take(1, 40)) return t.fail(`second ${second}`);
    if (second % 60 === 0 && !budget.take(32, 65_536)) return t.fail(`second ${second}`);
  }
  t.ok(budget.take(1, 1));
  t.notOk(budget.take(2000, 1));
});

t.test('who connects and says nothing keeps nobody out, and is not kept for ever', async (t) => {
  const { hub, path } = await listening(t);
  const silent: Liar[] = [];
  while (silent.length < 600) {
    // No more at once than the kernel lets wait.
    const some = Array.from({ length: 50 }, () => new Liar(t, path));
    await Promise.all(some.map(({ socket }) => once(socket, 'connect')));
    silent.push(...some);
    await systemClock.sleep(20); // they are accepted in this same loop
  }
  await Promise.all(silent.slice(0, 50).map(({ closed }) => closed)); // the oldest make room
  const { pid } = await bystander(t);
  const agent = new Liar(t, path);
  agent.say({ ...HELLO, pid });
  await until('it to be known', () => hub.report(pid) !== null);
  const startedAt = performance.now();
  await Promise.all(silent.map(({ closed }) => closed));
  t.ok(performance.now() - startedAt < 30_000, 'without a hello within 10 s they are gone');
  t.ok(hub.report(pid));
});

t.test('one that comes again and again does not fill the log', async (t) => {
  const { log, path } = await listening(t, { pidExists: () => false });
  for (let i = 0; i < 50; i++) {
    const liar = new Liar(t, path);
    liar.say({ ...HELLO, pid: 100_000 + i });
    await liar.closed;
  }
  t.equal(log.at('warn').length, 1, 'one line, and later a count');
  const { log: other, path: otherPath } = await listening(t, { pidExists: () => true });
  for (let i = 0; i < 20; i++) {
    const liar = new Liar(t, otherPath);
    liar.say({ ...HELLO, pid: 4242 });
    await until('it to be let in', () => liar.heard.includes('welcome'));
    liar.socket.destroy();
    await liar.closed;
  }
  t.equal(other.at('info').length, 1);
});

t.test('an app that starts processes without end does not fill the log', async (t) => {
  const { hub, log, path } = await listening(t, { pidExists: () => true });
  for (const app of ['shop', 'cart']) {
    const children = Array.from({ length: 20 }, () => new Liar(t, path));
    for (const [i, child] of children.entries()) child.say({ ...HELLO, app, pid: 4200 + (app === 'shop' ? 0 : 100) + i });
    await until('all of them', () => hub.reports().filter((report) => report.app === app).length === 20);
  }
  t.match(log.at('info'), [/^shop: the agent of process \d+ reports in/, /^cart: the agent of process \d+ reports in/]);
  t.equal(log.at('info').length, 2);
});

t.test('no name of a path or a command is taken from an agent', async (t) => {
  const { hub, path } = await listening(t);
  const { pid } = await bystander(t);
  const liar = new Liar(t, path);
  const extra = { folder: '/etc', files: ['../../etc/passwd'], command: ['rm', '-rf', '/'], restart: 'rm', socket: '/tmp/x', constructor: 1, __proto__: { evil: 1 } };
  liar.say({ ...HELLO, app: '../../../etc', pid, ...extra });
  await until('it to be known', () => hub.report(pid) !== null);
  const histogram = { count: 0, sum_seconds: 0, buckets: GC_BUCKETS_SECONDS.map(() => 0) };
  const stats = {
    heap_used: 1, heap_total: 1, heap_limit: 1, heap_live: null, external: 0, array_buffers: 0, loop: null, active_resources: {},
    heap_spaces: { '/etc/passwd': 1 }, gc: { major: histogram, minor: histogram, incremental: histogram, weakcb: histogram }, ...extra,
  };
  liar.say({ type: 'beat', n: 1, ...extra }, { type: 'stats', n: 2, stats, ...extra }, { type: 'gathered', request: 7, lacks: [], ...extra });
  await until('the stats', () => hub.report(pid)?.stats !== null);
  const known = JSON.stringify(hub.report(pid));
  t.notMatch(known, /rm|"folder"|"files"|command|\/tmp\/x|evil/, 'what the protocol does not name is dropped');
  t.equal(hub.report(pid)!.app, '../../../etc', 'a name, which nothing is opened by');
});
