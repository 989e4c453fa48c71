/** What the supervisor does with a PM2 that misbehaves: a small server of our own in PM2's place. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import type { ProcessTable } from '../../src/supervisors/contract.js';
import { AmpDecoder, encodeAmp } from '../../src/supervisors/pm2-amp.js';
import { Pm2Client } from '../../src/supervisors/pm2-rpc.js';
import { placeSlots } from '../../src/supervisors/place-slots.js';
import { pm2Home, Pm2Supervisor, type Pm2Options } from '../../src/supervisors/pm2.js';
import { memoryLog, stopFirst } from './options.js';

const nobody: ProcessTable = { identify: async () => null, tree: async () => [] };

type Call = { method: string; args: unknown[] };

/** Listens at rpc.sock of a fresh home, and gives each call to `answer`. */
async function fakePm2(t: Test, answer: (call: Call, reply: (value: unknown) => void, socket: Socket) => void) {
  const home = await mkdtemp(join(tmpdir(), 'hw-pm2-'));
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const decoder = new AmpDecoder();
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => {}));
    socket.on('data', (chunk) => {
      for (const [call, id] of decoder.push(chunk)) {
        const reply = (value: unknown) => socket.write(encodeAmp([Buffer.from(`j:${JSON.stringify(value)}`), id!]));
        answer(JSON.parse(call!.subarray(2).toString()) as Call, reply, socket);
      }
    });
  });
  await once(server.listen(join(home, 'rpc.sock')), 'listening');
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(home, { recursive: true });
  });
  return { home, sockets };
}

const entry = (pmId: number, name: string, status = 'online', settings: object = {}) => ({
  pid: 1000 + pmId, name, pm_id: pmId, pm2_env: { status, ...settings },
});

function supervise(t: Test, home: string, settings: Partial<Pm2Options> = {}) {
  const options = { name: 'shop', home, processes: nobody, clock: systemClock, log: memoryLog(), ...settings };
  const supervisor = new Pm2Supervisor(options);
  t.teardown(() => supervisor.close());
  return supervisor;
}

t.test('PM2_HOME, else .pm2 at home', async (t) => {
  t.equal(pm2Home({ PM2_HOME: '/srv/pm2' }, '/root'), '/srv/pm2');
  t.equal(pm2Home({ PM2_HOME: '' }, '/root'), join('/root', '.pm2'));
  t.equal(pm2Home({}, '/root'), join('/root', '.pm2'));
});

t.test('slots stay where they are; a new id takes the lowest free one', async (t) => {
  const first = placeSlots(new Map(), [3, 5, 7]);
  t.strictSame(first, new Map([[3, 0], [5, 1], [7, 2]]));
  const second = placeSlots(first, [5, 7]);
  t.strictSame(second, new Map([[5, 1], [7, 2]]), 'the others keep theirs');
  t.strictSame(placeSlots(second, [5, 7, 9, 12]), new Map([[5, 1], [7, 2], [9, 0], [12, 3]]));
  t.strictSame(placeSlots(second, []), new Map());
});

t.test("PM2's states and pids", async (t) => {
  const list = [
    entry(0, 'shop'), entry(1, 'shop', 'launching'), entry(2, 'shop', 'waiting restart', { created_at: 1 }),
    { ...entry(3, 'shop', 'errored'), pid: 0 }, entry(4, 'shop', 'stopping'), { ...entry(5, 'shop', 'stopped'), pid: 0 },
    { ...entry(6, 'shop', 'waiting restart', { created_at: null }), pid: 0 },
    { ...entry(7, 'shop', 'waiting restart', { created_at: 1 }), pid: 0 },
    entry(8, 'shop', 'errored'), entry(9, 'other'),
    { name: 'shop', pm_id: '_old_0', pm2_env: { status: 'online' } }, null,
  ];
  const { home } = await fakePm2(t, (_call, reply) => reply({ args: [list] }));
  t.strictSame(await supervise(t, home).slots(), [
    { worker: '0', pid: 1000, state: 'running' },
    { worker: '1', pid: 1001, state: 'starting' },
    { worker: '2', pid: null, state: 'starting' }, // PM2 still shows the pid of the one that died
    { worker: '3', pid: null, state: 'crash_loop' },
    { worker: '4', pid: 1004, state: 'stopped' },
    { worker: '5', pid: null, state: 'stopped' },
    { worker: '6', pid: null, state: 'crash_loop' }, // as 3, of an app with a restart_delay
    { worker: '7', pid: null, state: 'stopped' }, // as 5
    { worker: '8', pid: 1008, state: 'crash_loop' }, // PM2 could not stop it
  ]);
});

t.test('no daemon', async (t) => {
  const home = t.testdir();
  const log = memoryLog();
  const supervisor = supervise(t, home, { log });
  await t.rejects(supervisor.slots(), {
    code: 'SUPERVISOR_UNREACHABLE',
    message: `PM2 does not answer at ${join(home, 'rpc.sock')} (ENOENT); is its daemon running as this user? ` +
      'Set PM2_HOME where its files are elsewhere.',
  });
  await supervisor.start();
  t.match(log.warnings, [/does not answer/], 'a start without PM2 is a warning, not a failure');
});

t.test('a path too long for a socket', async (t) => {
  const home = join(tmpdir(), 'x'.repeat(200));
  await t.rejects(supervise(t, home).slots(), { code: 'SUPERVISOR_UNREACHABLE' });
});

t.test('a daemon that accepts and never answers', async (t) => {
  const { home, sockets } = await fakePm2(t, () => {});
  const begun = performance.now();
  await t.rejects(supervise(t, home, { timeoutMs: 200 }).slots(), {
    code: 'SUPERVISOR_UNREACHABLE',
    message: /\(no answer within 0\.2 s\)/,
  });
  const took = performance.now() - begun;
  t.ok(took >= 195 && took < 4000, `after ${took} ms`);
  for (const socket of sockets) await once(socket, 'close');
  t.equal(sockets.size, 0, 'the connection is not left open');
});

t.test('a daemon that hangs up, or is none', async (t) => {
  const hangsUp = await fakePm2(t, (_call, _reply, socket) => socket.destroy());
  await t.rejects(supervise(t, hangsUp.home).slots(), { code: 'SUPERVISOR_UNREACHABLE', message: /\(it hung up\)/ });
  const web = await fakePm2(t, (_call, _reply, socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await t.rejects(supervise(t, web.home).slots(), { code: 'SUPERVISOR_UNREACHABLE', message: /not in the AMP format/ });
  for (const value of ['text', null, {}, { args: ['no list'] }]) {
    const other = await fakePm2(t, (_call, reply) => reply(value));
    const error = { code: 'SUPERVISOR_UNREACHABLE', message: /it answers, but not as PM2 does/ };
    await t.rejects(supervise(t, other.home).slots(), error, JSON.stringify(value));
  }
});

t.test('an error that PM2 answers with keeps its text', async (t) => {
  const { home } = await fakePm2(t, (_call, reply) => reply({ error: 'no such thing', stack: '' }));
  await t.rejects(supervise(t, home).slots(), { code: 'SUPERVISOR_REFUSED', message: /: no such thing$/ });
});

t.test('close breaks off what is in flight', async (t) => {
  const { home } = await fakePm2(t, () => void supervisor.close());
  const supervisor = supervise(t, home, { timeoutMs: 60_000 });
  await t.rejects(supervisor.slots(), { code: 'SUPERVISOR_UNREACHABLE', message: /\(broken off\)/ });
});

t.test('apps that share a client share one list at a time, and do not close it', async (t) => {
  let lists = 0;
  const { home } = await fakePm2(t, (_call, reply) => reply({ args: [(lists++, [entry(0, 'shop')])] }));
  const client = new Pm2Client({ home, clock: systemClock });
  const [one, two] = [supervise(t, home, { client }), supervise(t, home, { client })];
  t.strictSame(await Promise.all([one.slots(), two.slots()]), [
    [{ worker: '0', pid: 1000, state: 'running' }],
    [{ worker: '0', pid: 1000, state: 'running' }],
  ]);
  t.equal(lists, 1);
  const later = two.slots();
  await one.close();
  await later;
  t.equal(lists, 2);
});

t.test('a restart', async (t) => {
  const never = new AbortController().signal;
  const restart = stopFirst({ stopTimeoutMs: 100, signal: never });

  t.test('that is aborted rejects with the reason, and lets go of the socket', async (t) => {
    const aborter = new AbortController();
    const { home, sockets } = await fakePm2(t, ({ method }, reply) => {
      if (method === 'getMonitorData') reply({ args: [[entry(0, 'shop')]] });
      else aborter.abort(new Error('closing'));
    });
    const supervisor = supervise(t, home, { timeoutMs: 60_000 });
    await t.rejects(supervisor.restart('0', stopFirst({ stopTimeoutMs: 60_000, signal: aborter.signal })), { message: 'closing' });
    for (const socket of sockets) await once(socket, 'close');
    await t.rejects(supervisor.restart('0', stopFirst({ stopTimeoutMs: 60_000, signal: aborter.signal })), { message: 'closing' });
    t.equal(sockets.size, 0);
  });

  t.test('is not asked for while PM2 is busy with the process, or has none', async (t) => {
    const list = [entry(0, 'shop', 'stopping'), entry(1, 'shop', 'waiting restart')];
    const calls: string[] = [];
    const { home } = await fakePm2(t, ({ method }, reply) => (calls.push(method), reply({ args: [list] })));
    const supervisor = supervise(t, home);
    const refused = (message: RegExp) => ({ code: 'SUPERVISOR_REFUSED', message });
    await t.rejects(supervisor.restart('0', restart), refused(/is stopping it already/));
    await t.rejects(supervisor.restart('1', restart), refused(/restart delay is over/));
    await t.rejects(supervisor.restart('2', restart), { code: 'UNKNOWN_WORKER' });
    await t.rejects(supervisor.restart('', restart), { code: 'UNKNOWN_WORKER' });
    list.splice(0);
    await t.rejects(supervisor.restart('0', restart), refused(/start it with "pm2 start"/));
    t.strictSame([...new Set(calls)], ['getMonitorData']);
  });

  t.test('passes on what PM2 says, and waits for it as long as the stop, the kill and `ready` may take', async (t) => {
    const waits = { wait_ready: true, listen_timeout: 300 };
    let asked: Call | undefined;
    let settings: object = {};
    const { home } = await fakePm2(t, (call, reply) => {
      if (call.method === 'getMonitorData') return reply({ args: [[entry(0, 'shop', 'online', settings)]] });
      asked = call;
      if (settings !== waits) reply({ error: 'PM2 is being killed' });
    });
    const supervisor = supervise(t, home, { timeoutMs: 50 });
    await t.rejects(supervisor.restart('0', restart), { code: 'SUPERVISOR_REFUSED', message: /PM2 is being killed/ });
    t.strictSame(asked, { type: 'call', method: 'restartProcessId', args: [{ id: 0 }] });
    settings = waits;
    await t.rejects(supervisor.restart('0', restart), { message: /no answer within 2\.5 s/ }); // 0.1 + 2 + 0.3 + 0.05
  });

  for (const { when, code, told } of [
    { when: 'PM2 refuses', code: 'SUPERVISOR_REFUSED', told: [1000] },
    { when: 'no stand-in comes up', code: 'NOT_READY', told: [1000] },
    { when: 'no stand-in comes up, and it dies meanwhile', code: 'NOT_READY', told: [1000] },
    { when: 'PM2 hangs up before it was asked to stop it', code: 'SUPERVISOR_UNREACHABLE', told: [1000] },
    { when: 'PM2 refuses after the stop', code: 'SUPERVISOR_REFUSED', told: [] },
    { when: 'PM2 hangs up', code: 'SUPERVISOR_UNREACHABLE', told: [] },
  ]) {
    t.test(`when ${when}, the end of the old process ${told.length > 0 ? 'is told one day' : 'is ours'}`, async (t) => {
      let [pid, lives] = [1000, true];
      const overlaps = code === 'NOT_READY' || when.includes('before it was asked');
      const settings = overlaps ? { exec_mode: 'cluster_mode' } : {};
      const { home } = await fakePm2(t, ({ method }, reply, socket) => {
        if (method === 'getMonitorData') return reply({ args: [[{ ...entry(0, 'shop', 'online', settings), pid }]] });
        if (method === 'prepare' && code === 'NOT_READY') return reply({ args: [[{ pm2_env: { pm_id: 1 } }]] });
        if (when === 'PM2 refuses after the stop' || when.includes('it dies')) lives = false;
        if (when.includes('hangs up')) socket.destroy();
        else reply({ error: 'no' });
      });
      const processes: ProcessTable = { ...nobody, identify: async (pid) => (lives ? { pid, start: 1 } : null) };
      const supervisor = supervise(t, home, { processes });
      await supervisor.slots();
      await t.rejects(supervisor.restart('0', { ...restart, mode: 'graceful' }), { code });
      pid = 2000;
      await supervisor.slots();
      t.strictSame((await supervisor.endings()).map((ending) => ending.pid), told);
    });
  }
});
