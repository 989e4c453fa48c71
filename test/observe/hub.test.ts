import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { GC_BUCKETS_SECONDS, type RuntimeStats, type WardenFrame } from '../../src/agent/protocol.cjs';
import { systemClock } from '../../src/clock.js';
import type { Log, LogFields } from '../../src/log.js';
import { AgentHub, type AgentHubOptions } from '../../src/observe/hub.js';
import { until } from '../agent/support.js';

const PID = 4711;
const NOBODY = { pid: 4712 };

const histogram = { count: 3, sum_seconds: 0.002, buckets: GC_BUCKETS_SECONDS.map(() => 3) };
const STATS: RuntimeStats = {
  heap_used: 5e6, heap_total: 8e6, heap_limit: 4e9, heap_live: null, external: 1e6, array_buffers: 1e4,
  heap_spaces: { old: 4e6, new: 1e6 },
  gc: { major: histogram, minor: histogram, incremental: histogram, weakcb: histogram },
  loop: {
    window_seconds: 10, mean_seconds: 0, p50_seconds: 0.001, p90_seconds: 0.002, p99_seconds: 0.003,
    max_seconds: 0.2, utilization_ratio: 0.5,
  },
  active_resources: { Timeout: 1 },
};
const HELLO = { type: 'hello', protocol: 1, pid: PID, node: '22.23.3', app: 'shop' };

function socketPath(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'made', 'agent.sock');
}

class Fixture {
  nowMs = 1_000_000;
  /** Of the clock that never jumps. */
  wallAheadMs = 900_000;
  readonly logged: { level: string; message: string; fields: LogFields }[] = [];
  readonly hub: AgentHub;
  readonly path: string;

  constructor(t: Test, options: Partial<AgentHubOptions> = {}) {
    this.path = options.path ?? socketPath(t);
    const write = (level: string) => (message: string, fields: LogFields = {}) =>
      void this.logged.push({ level, message, fields });
    const log: Log = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
    const clock = { ...systemClock, now: () => this.nowMs, monotonic: () => this.nowMs - this.wallAheadMs };
    const pidExists = (pid: number) => pid !== NOBODY.pid;
    this.hub = new AgentHub({ path: this.path, statsIntervalMs: 5000, clock, log, pidExists, ...options });
    t.teardown(() => this.hub.close());
  }

  warnings(): LogFields[] {
    return this.logged.filter(({ level }) => level === 'warn').map(({ fields }) => fields);
  }
}

async function listening(t: Test, options: Partial<AgentHubOptions> = {}): Promise<Fixture> {
  const fixture = new Fixture(t, options);
  await fixture.hub.listen();
  return fixture;
}

/** An agent that says what a test tells it to. */
class Client {
  readonly socket: Socket;
  readonly frames: WardenFrame[] = [];
  readonly closed: Promise<void>;
  #rest = '';
  #onFrame = () => {};

  constructor(t: Test, path: string) {
    this.socket = connect(path);
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk) => {
      const lines = (this.#rest + String(chunk)).split('\n');
      this.#rest = lines.pop()!;
      this.frames.push(...lines.map((line) => JSON.parse(line) as WardenFrame));
      this.#onFrame();
    });
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    t.teardown(() => this.socket.destroy());
  }

  say(...frames: object[]): void {
    this.socket.write(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
  }

  /** The next frames, `count` of them. */
  async hear(count = 1): Promise<WardenFrame[]> {
    while (this.frames.length < count) await new Promise<void>((resolve) => (this.#onFrame = resolve));
    return this.frames.splice(0, count);
  }
}

async function welcomed(t: Test, fixture: Fixture, hello: object = HELLO): Promise<Client> {
  const client = new Client(t, fixture.path);
  client.say(hello);
  await client.hear();
  return client;
}

t.test('the socket is for this user alone, and goes with the hub', async (t) => {
  const fixture = new Fixture(t);
  const umask = process.umask(0);
  t.teardown(() => process.umask(umask));
  await fixture.hub.listen();
  t.equal(process.umask(), 0, 'the umask is as it was');
  t.equal(statSync(fixture.path).mode & 0o777, 0o600);
  t.equal(statSync(join(fixture.path, '..')).mode & 0o777, 0o700);
  await fixture.hub.close();
  t.notOk(existsSync(fixture.path));
  await fixture.hub.close();
});

t.test('the socket is for a group, too, where the config says so', async (t) => {
  if (process.getuid?.() !== 0) return t.pass('takes root', { skip: 'could not run: takes root, who may give files to any group' });
  const fixture = await listening(t, { group: 4242 });
  const found = [fixture.path, join(fixture.path, '..')].map((path) => statSync(path));
  t.strictSame(found.map(({ mode, uid, gid }) => [mode & 0o777, uid, gid]), [[0o660, 0, 4242], [0o710, 0, 4242]]);
  t.strictSame(fixture.warnings(), []);

  const folder = mkdtempSync(join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const closed = await listening(t, { group: 4242, path: join(folder, 'agent.sock') });
  t.equal(statSync(folder).mode & 0o777, 0o700, 'a folder that was there is left as it is');
  t.match(closed.logged, [{
    level: 'warn',
    message: `agents of group 4242 cannot reach the agent socket, for its folder keeps them out: chgrp 4242 ${folder} && chmod g+x ${folder}`,
  }]);
});

t.test('replaces what a dead warden left behind', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'hw-')), 'agent.sock');
  t.teardown(() => rmSync(join(path, '..'), { recursive: true, force: true }));
  const script = `
    require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'));`;
  const warden = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  await new Promise((resolve) => warden.once('exit', resolve));
  t.ok(statSync(path).isSocket(), 'left behind');
  const fixture = await listening(t, { path });
  await welcomed(t, fixture);
  t.ok(fixture.hub.report(PID));
});

t.test('leaves a live warden its socket', async (t) => {
  const fixture = await listening(t);
  const other = new Fixture(t, { path: fixture.path });
  await t.rejects(other.hub.listen(), { code: 'SOCKET_IN_USE', message: /agent_socket in the config/ });
  await other.hub.close();
  await welcomed(t, fixture);
  t.ok(fixture.hub.report(PID), 'it still works');
});

t.test('leaves alone what is no socket, and says where it may not write', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'file');
  writeFileSync(path, 'precious');
  const fixture = new Fixture(t, { path });
  await t.rejects(fixture.hub.listen(), { code: 'STATE_UNWRITABLE', message: /no socket.*agent_socket in the config/ });
  t.equal(readFileSync(path, 'utf8'), 'precious');
  const inFile = new Fixture(t, { path: join(path, 'agent.sock') });
  await t.rejects(inFile.hub.listen(), { code: 'STATE_UNWRITABLE', message: /agent_socket in the config/ });
});

t.test('keeps what agents report, with the time at which it read it', async (t) => {
  const fixture = await listening(t);
  const { hub } = fixture;
  t.equal(hub.report(PID), null);
  const client = new Client(t, fixture.path);
  client.say({ ...HELLO, agent: '0.0.9' });
  t.same(await client.hear(), [{ type: 'welcome', protocol: 1, stats_interval_ms: 5000 }]);
  const known = { pid: PID, node: '22.23.3', app: 'shop', version: '0.0.9', connectedAt: 100_000, inspectorPort: null };
  t.same(hub.report(PID), { ...known, heartbeatAt: 100_000, heartbeatAtMs: 1_000_000, stats: null, statsAt: null });

  fixture.nowMs += 1000;
  for (let n = 1; n <= 8; n++) client.say({ type: 'beat', n });
  t.same(await client.hear(), [{ type: 'ack', n: 8 }], 'one ack for eight beats');
  t.same(hub.report(PID), { ...known, heartbeatAt: 101_000, heartbeatAtMs: 1_001_000, stats: null, statsAt: null });

  fixture.nowMs += 1000;
  const newer = { ...STATS, surprise: 1, gc: { ...STATS.gc, surprise: {} } };
  client.say({ type: 'stats', n: 9, stats: newer, surprise: 2 }, { type: 'surprise', n: 3 }, { type: 'beat', n: 10 });
  t.same(await client.hear(), [{ type: 'ack', n: 10 }], 'stats at once, with all that was read with them');
  t.same(
    hub.report(PID),
    { ...known, heartbeatAt: 102_000, heartbeatAtMs: 1_002_000, stats: STATS, statsAt: 102_000 },
    'what the protocol does not name is dropped',
  );
  t.same(hub.reports(), [hub.report(PID)]);
  fixture.nowMs += 16_000;
  t.same(hub.report(PID)?.stats, STATS, 'three intervals and a second old');
  fixture.nowMs += 1;
  t.equal(hub.report(PID)?.stats, null, 'what a frozen process said long ago is no measurement');
  t.equal(hub.reports()[0]?.stats, null);
  fixture.nowMs -= 16_001;

  const line = Buffer.from(`${JSON.stringify({ type: 'beat', n: 18 })}\n`);
  fixture.nowMs += 1000;
  client.socket.write(line.subarray(0, 7));
  await new Promise((resolve) => client.socket.write(line.subarray(7, 9), resolve));
  client.socket.write(line.subarray(9));
  t.same(await client.hear(), [{ type: 'ack', n: 18 }], 'a frame in pieces');
  t.equal(hub.report(PID)?.heartbeatAtMs, 1_003_000);

  client.socket.end();
  await until('the hub to notice', () => hub.report(PID) === null);
  t.same(hub.reports(), []);
  t.same(fixture.warnings(), []);
});

t.test('tells all agents of another interval', async (t) => {
  const fixture = await listening(t);
  const first = await welcomed(t, fixture);
  fixture.hub.setStatsInterval(1000);
  t.match(await first.hear(), [{ type: 'welcome', stats_interval_ms: 1000 }]);
  const second = new Client(t, fixture.path);
  second.say({ ...HELLO, pid: 1 });
  t.match(await second.hear(), [{ type: 'welcome', stats_interval_ms: 1000 }]);
});

t.test('asks for stats now', async (t) => {
  const fixture = await listening(t);
  const { hub } = fixture;
  t.equal(await hub.sample(PID, 60_000), null, 'nobody to ask');
  const client = await welcomed(t, fixture);

  const both = [hub.sample(PID, 60_000), hub.sample(PID, 60_000)];
  t.same(await client.hear(2), [{ type: 'sample', request: 1 }, { type: 'sample', request: 2 }]);
  client.say({ type: 'stats', n: 1, request: 2, stats: STATS });
  for (const report of await Promise.all(both)) t.match(report, { pid: PID, stats: STATS }, 'one answer to both');

  const unanswered = hub.sample(PID, 100);
  client.say({ type: 'stats', n: 2, stats: STATS });
  t.equal(await unanswered, null, 'stats that nobody asked for may be older than the question');

  const abandoned = hub.sample(PID, 60_000);
  client.socket.destroy();
  t.equal(await abandoned, null, 'the agent went');
});

t.test('asks to drain, and gives up at once where nobody hears', async (t) => {
  const fixture = await listening(t);
  const { hub } = fixture;
  t.match(await hub.drain(PID, 60_000), { complete: false }, 'nobody to ask');
  const client = await welcomed(t, fixture);
  const startedAt = performance.now();
  t.match(await hub.drain(PID, 60_000), { complete: false }, 'an older agent, or a frozen process');
  t.equal(await hub.arm(PID, 60_000), false);
  t.ok(performance.now() - startedAt < 5000);
  t.same(await client.hear(2), [
    { type: 'drain', request: 1, timeout_ms: 60_000 }, { type: 'arm', request: 2, timeout_ms: 60_000 },
  ]);

  const both = [hub.drain(PID, 60_000), hub.drain(PID, 60_000)];
  await client.hear(2);
  client.say({ type: 'heard', request: 3 }, { type: 'heard', request: 4 }, { type: 'drained', request: 4, complete: false });
  t.strictSame(await both[1], { complete: false, deaf: false }, 'its time was over');
  client.say({ type: 'drained', request: 99, complete: true }, { type: 'drained', request: 3, complete: true, deaf: true });
  t.strictSame(await both[0], { complete: true, deaf: true });

  const silent = hub.drain(PID, 100);
  await client.hear();
  client.say({ type: 'heard', request: 5 });
  t.match(await silent, { complete: false }, 'no last word');
  const armed = hub.arm(PID, 100);
  await client.hear();
  client.say({ type: 'heard', request: 6 });
  t.equal(await armed, true);
  const gone = hub.drain(PID, 60_000);
  await client.hear();
  client.say({ type: 'heard', request: 7 });
  client.socket.end();
  t.match(await gone, { complete: false }, 'it has ended meanwhile');
});

/** What a Unix socket holds for a reader that is late; the machine's to set. */
function unixBufferBytes(): number {
  const setting = '/proc/sys/net/core/wmem_default';
  return existsSync(setting) ? Number(readFileSync(setting, 'utf8')) : 0;
}

t.test('never piles up for an agent that does not read', async (t) => {
  const fixture = await listening(t);
  const { hub } = fixture;
  const client = await welcomed(t, fixture);
  client.socket.pause();
  // The kernel's buffer holds some (each costs it more than 512 bytes), and the rest is not asked.
  const count = Math.max(5000, (4 * unixBufferBytes()) / 512);
  const answers = Array.from({ length: count }, () => hub.sample(PID, 300));
  t.ok((await Promise.all(answers)).every((answer) => answer === null));
  client.socket.resume();
  // As an agent does: while the buffer is being emptied there may be no answer yet.
  let n = 0;
  await until('an ack', () => {
    client.say({ type: 'beat', n: (n += 1) });
    return client.frames.some(({ type }) => type === 'ack');
  });
  const unread = client.frames.filter(({ type }) => type === 'sample').length;
  t.ok(unread > 0 && unread < count / 2, `${unread} samples were sent of ${count}`);
});

const wrongStats = (change: object) => ({ type: 'stats', n: 1, stats: { ...STATS, ...change } });
const manyKeys = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`key${i}`, 1]));

const BAD: Record<string, { first?: object; line: string | object }> = {
  'no hello first': { line: { type: 'beat', n: 1 } },
  'stats before hello': { line: { type: 'stats', n: 1, stats: STATS } },
  'a second hello': { first: HELLO, line: HELLO },
  'a pid that is none': { line: { ...HELLO, pid: -1 } },
  'a pid nobody has': { line: { ...HELLO, ...NOBODY } },
  'a pid as text': { line: { ...HELLO, pid: '1' } },
  'an app without a name': { line: { ...HELLO, app: '' } },
  'an app with a long name': { line: { ...HELLO, app: 'x'.repeat(201) } },
  'an app with a newline in its name': { line: { ...HELLO, app: 'a\nb' } },
  'a draining that is no flag': { line: { ...HELLO, draining: 1 } },
  'no version': { line: { ...HELLO, node: undefined } },
  'no JSON': { first: HELLO, line: 'GET / HTTP/1.1' },
  'an array': { first: HELLO, line: '[]' },
  'null': { first: HELLO, line: 'null' },
  'no type': { first: HELLO, line: '{}' },
  'a line without end': { first: HELLO, line: 'x'.repeat(70_000) },
  'a beat without a number': { first: HELLO, line: { type: 'beat' } },
  'a beat with half a number': { first: HELLO, line: { type: 'beat', n: 1.5 } },
  'stats without stats': { first: HELLO, line: { type: 'stats', n: 1 } },
  'NaN as JSON has it': { first: HELLO, line: wrongStats({ heap_used: null }) },
  'a negative size': { first: HELLO, line: wrongStats({ external: -1 }) },
  'a number too large to be one': {
    first: HELLO,
    line: JSON.stringify(wrongStats({ heap_used: 17 })).replace('"heap_used":17', '"heap_used":1e999'),
  },
  'no live heap, not even null': { first: HELLO, line: wrongStats({ heap_live: undefined }) },
  'a window with a text in it': { first: HELLO, line: wrongStats({ loop: { ...STATS.loop, max_seconds: '1' } }) },
  'too few buckets': { first: HELLO, line: wrongStats({ gc: { ...STATS.gc, major: { ...histogram, buckets: [1] } } }) },
  'a bucket that is none': {
    first: HELLO,
    line: wrongStats({ gc: { ...STATS.gc, major: { ...histogram, buckets: [...histogram.buckets.slice(1), null] } } }),
  },
  'a kind of GC missing': { first: HELLO, line: wrongStats({ gc: { major: histogram } }) },
  'too many heap spaces': { first: HELLO, line: wrongStats({ heap_spaces: manyKeys }) },
  'too many types of resources': { first: HELLO, line: wrongStats({ active_resources: manyKeys }) },
  'a key that is too long': { first: HELLO, line: wrongStats({ active_resources: { ['x'.repeat(65)]: 1 } }) },
  'an inspector port that is none': { first: HELLO, line: { type: 'beat', n: 1, inspector_port: 'all' } },
  'a drain that says not how it ended': { first: HELLO, line: { type: 'drained', request: 1, complete: 1 } },
  'a deafness that is no flag': { first: HELLO, line: { type: 'drained', request: 1, complete: true, deaf: 1 } },
  'what has been heard, without its number': { first: HELLO, line: { type: 'heard' } },
  'a request that is none': { first: HELLO, line: { type: 'stats', n: 1, request: 'all', stats: STATS } },
};

t.test('closes what breaks the protocol, says so once, and harms nobody else', async (t) => {
  for (const [name, { first, line }] of Object.entries(BAD)) {
    const fixture = await listening(t);
    const bystander = await welcomed(t, fixture, { ...HELLO, pid: 1, app: 'bystander' });
    const client = new Client(t, fixture.path);
    if (first) client.say(first);
    client.socket.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n{"more":"of it"}\n`);
    await client.closed;
    bystander.say({ type: 'beat', n: 8 });
    t.same(await bystander.hear(), [{ type: 'ack', n: 8 }], name);
    t.same(fixture.hub.reports().map(({ app }) => app), ['bystander'], `${name}: gone`);
    t.equal(fixture.warnings().length, 1, `${name}: ${JSON.stringify(fixture.warnings())}`);
    await fixture.hub.close();
  }
});

t.test('names that become labels are sixty-four in the life of a connection; the rest is other', async (t) => {
  const fixture = await listening(t);
  const client = await welcomed(t, fixture);
  const seen = { heap_spaces: new Set<string>(), active_resources: new Set<string>() };
  const { heap_spaces, active_resources } = STATS;
  for (let n = 1; n <= 20; n++) {
    const ever = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`name${n}_${i}`, 1]));
    const stats = { ...STATS, heap_spaces: { ...heap_spaces, ...ever }, active_resources: { ...active_resources, ...ever } };
    client.say({ type: 'stats', n, stats });
    await client.hear();
    const heard = fixture.hub.report(PID)!.stats!;
    for (const key of ['heap_spaces', 'active_resources'] as const) for (const name in heard[key]) seen[key].add(name);
  }
  t.strictSame([seen.heap_spaces.size, seen.active_resources.size], [65, 65]);
  const { stats } = fixture.hub.report(PID)!;
  t.strictSame(stats!.heap_spaces, { ...heap_spaces, other: 60 }, 'known ones stay, and nothing is lost');
  t.strictSame(stats!.active_resources, { ...active_resources, other: 60 });

  const other = await welcomed(t, fixture, { ...HELLO, pid: 1 });
  const of24 = [
    'read_only', 'shared_trusted_large_object', 'new_large_object', 'FSReqCallback', 'Timeout', 'TCPServerWrap', 'Endpoint::UDP',
  ];
  const odd = ['a b', '/etc', 'é', 'x"}', '', '__proto__', '9', 'a:b', 'other'];
  const active = Object.fromEntries([...of24, ...odd].map((name) => [name, 1]));
  other.say({ type: 'stats', n: 1, stats: { ...STATS, active_resources: active } });
  await other.hear();
  const expected = Object.fromEntries([...of24.map((name) => [name, 1]), ['other', odd.length]]);
  t.strictSame(fixture.hub.report(1)!.stats!.active_resources, expected);
  other.say({ type: 'stats', n: 2, stats: { ...STATS, heap_spaces: { '1': Number.MAX_VALUE, '2': Number.MAX_VALUE } } });
  await other.hear();
  t.strictSame(fixture.hub.report(1)!.stats!.heap_spaces, { other: Number.MAX_VALUE }, 'a sum is a number, too');
  t.strictSame(fixture.warnings(), [], 'none of it breaks the protocol');
});

t.test('of two connections for one pid the older stays: an agent ends its own before it comes again', async (t) => {
  const fixture = await listening(t);
  const older = await welcomed(t, fixture);
  fixture.nowMs += 5;
  const newer = new Client(t, fixture.path);
  newer.say({ ...HELLO, app: 'newer' });
  await newer.closed;
  older.say({ type: 'beat', n: 8 });
  await older.hear();
  t.match(fixture.hub.reports(), [{ app: 'shop', connectedAt: 100_000 }]);
  t.equal(fixture.warnings().length, 1);
});

t.test('refuses connections beyond its bound', async (t) => {
  const fixture = await listening(t, { maxConnections: 2 });
  const first = await welcomed(t, fixture);
  await welcomed(t, fixture, { ...HELLO, pid: 1 });
  await new Client(t, fixture.path).closed;
  await new Client(t, fixture.path).closed;
  t.same(fixture.warnings(), [{ limit: 2 }], 'said once');
  first.socket.destroy();
  await until('the hub to notice', () => fixture.hub.reports().length === 1);
  const later = new Client(t, fixture.path);
  later.say({ ...HELLO, pid: 2 });
  await later.hear();
  t.same(fixture.hub.reports().map(({ pid }) => pid), [1, 2]);
});

t.test('by default asks the system whether a pid exists', async (t) => {
  const fixture = await listening(t, { pidExists: undefined });
  await welcomed(t, fixture, { ...HELLO, pid: process.pid });
  const ended = spawn(process.execPath, ['-e', '0']);
  await new Promise((resolve) => ended.once('close', resolve));
  const client = new Client(t, fixture.path);
  client.say({ ...HELLO, pid: ended.pid });
  await client.closed;
  t.same(fixture.hub.reports().map(({ pid }) => pid), [process.pid]);
});

t.test('closing ends all connections, and all waiting', async (t) => {
  const fixture = await listening(t);
  const client = await welcomed(t, fixture);
  const silent = new Client(t, fixture.path);
  await new Promise((resolve) => silent.socket.once('connect', resolve));
  const waiting = fixture.hub.sample(PID, 60_000);
  await client.hear();
  await fixture.hub.close();
  t.equal(await waiting, null);
  await Promise.all([client.closed, silent.closed]);
  t.same(fixture.hub.reports(), []);
});

t.test('a socket in a folder that others may enter is still closed to them', async (t) => {
  const path = socketPath(t);
  const folder = join(path, '..', '..');
  chmodSync(folder, 0o777);
  const fixture = await listening(t, { path: join(folder, 'agent.sock') });
  t.equal(statSync(fixture.path).mode & 0o777, 0o600);
});

t.test('a clock that is set changes no age, and what is published goes with it', async (t) => {
  let deafUntil = -Infinity;
  const fixture = await listening(t, { deafUntil: () => deafUntil });
  const { hub } = fixture;
  const client = await welcomed(t, fixture);
  client.say({ type: 'stats', n: 1, stats: STATS });
  await client.hear();
  for (const jumpMs of [3_600_000, -7_200_000]) {
    fixture.nowMs += jumpMs;
    fixture.wallAheadMs += jumpMs;
    t.match(hub.report(PID), { heartbeatAt: 100_000, heartbeatAtMs: fixture.nowMs, stats: STATS }, `${jumpMs} ms`);
  }
  fixture.nowMs += 5000;
  t.match(hub.report(PID), { heartbeatAt: 100_000, heartbeatAtMs: fixture.nowMs - 5000 });
  deafUntil = 103_000;
  t.match(hub.report(PID), { heartbeatAt: 100_000, heartbeatAtMs: fixture.nowMs - 2000 }, 'not from when nobody listened');
  client.say({ type: 'beat', n: 9 });
  await client.hear();
  t.match(hub.report(PID), { heartbeatAt: 105_000, heartbeatAtMs: fixture.nowMs });
});

t.test('the port of an inspector, while it is open', async (t) => {
  const fixture = await listening(t);
  const client = await welcomed(t, fixture);
  const portAfter = async (...frames: object[]) => {
    client.say(...frames);
    await client.hear();
    return fixture.hub.report(PID)!.inspectorPort;
  };
  t.equal(await portAfter({ type: 'beat', n: 10 }), null, 'an agent that does not tell has none');
  t.equal(await portAfter({ type: 'beat', n: 20, inspector_port: 9229 }), 9229);
  t.equal(await portAfter({ type: 'stats', n: 3, stats: STATS }), 9229, 'stats say nothing of it');
  fixture.nowMs += 60_000;
  t.equal(fixture.hub.report(PID)!.inspectorPort, 9229, 'nor does silence');
  t.equal(await portAfter({ type: 'beat', n: 40 }), null);
});

t.test('an agent of a container is found by what it says of its pid namespace', { skip: process.platform !== 'linux' && 'Linux only' }, async (t) => {
  const inside = { ...HELLO, pid: 1, pid_namespace: 7, start: 5000 };
  let looks = 0;
  let found = [PID];
  let answer = Promise.resolve();
  const nestedProcesses: AgentHubOptions['nestedProcesses'] = async () => {
    looks += 1;
    await answer;
    return found.map((pid) => ({ pid, innerPid: 1, start: 5000, namespace: null }));
  };
  const fixture = await listening(t, { nestedProcesses });
  let look = () => {};
  answer = new Promise((resolve) => (look = resolve));
  const client = new Client(t, fixture.path);
  client.say(inside, { type: 'beat', n: 1 });
  await until('it is looked for', () => looks === 1);
  t.equal(fixture.hub.report(PID), null);
  look();
  t.match(await client.hear(), [{ type: 'welcome' }]);
  client.say({ type: 'beat', n: 9 });
  t.same(await client.hear(), [{ type: 'ack', n: 9 }], 'what it said meanwhile does no harm');
  t.match(fixture.hub.report(PID), { pid: PID, app: 'shop' });
  t.equal(fixture.hub.report(1), null);

  found = [];
  const stranger = new Client(t, fixture.path);
  stranger.say(inside);
  await stranger.closed;
  found = [PID, PID + 10];
  const ambiguous = new Client(t, fixture.path);
  ambiguous.say(inside);
  await ambiguous.closed;
  const messages = fixture.logged.filter(({ level }) => level === 'warn').map(({ message }) => message);
  t.equal(messages.length, 2);
  t.match(messages, [
    /process 1 of another pid namespace, as a container has, cannot be seen from here; .* takes pid: host$/,
    /process 1 of another pid namespace, as a container has, may be 4711 or 4721; run heapwarden as root or as its user to tell$/,
  ]);

  found = [PID];
  answer = new Promise((resolve) => (look = resolve));
  const gone = new Client(t, fixture.path);
  gone.say(inside);
  await until('it is looked for', () => looks === 4);
  gone.socket.destroy();
  await gone.closed;
  await new Promise((resolve) => setTimeout(resolve, 50));
  look();
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(fixture.warnings().length, 2, 'one that went meanwhile is no complaint');
  client.say({ type: 'beat', n: 17 });
  t.same(await client.hear(), [{ type: 'ack', n: 17 }], 'nor does it take the place of one that is there');
});
