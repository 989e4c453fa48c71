import { existsSync, readFileSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { OutputRelay } from '../../src/output.js';
import { backoffMs, CRASH_LOOP_EXITS, STABLE_AFTER_MS } from '../../src/supervisors/backoff.js';
import type { ProcessTable, RestartOptions, Slot } from '../../src/supervisors/contract.js';
import { isAlive, mustIdentify, processes, until } from '../observe/support.js';
import {
  CHILD_APP, childOf, freePort, hasFinished, hurriedClock, reportOf, reportsIn, runningIn, supervise, type Supervised,
} from './child-support.js';
import { stopFirst } from './options.js';

const options = (stopTimeoutMs = 10_000): RestartOptions => (stopFirst({ stopTimeoutMs, signal: new AbortController().signal }));
const down = (state: Slot['state']): Slot[] => [{ worker: '0', pid: null, state }];
const isBackoff = (ms: number) => Array.from({ length: 12 }, (_, i) => backoffMs(i + 1)).includes(ms);

/** Long enough for a start that should not happen to have happened. */
const A_WHILE_MS = 700;

/** A restart has begun to stop what runs. */
const untilStopping = ({ supervisor }: Supervised): Promise<boolean> =>
  until('the stop to begin', async () => (await supervisor.slots())[0]!.state === 'stopped');

async function nothingRuns({ supervisor, folder }: Supervised): Promise<boolean> {
  await sleep(A_WHILE_MS);
  const pids = (await supervisor.slots()).flatMap(({ pid }) => pid ?? []);
  return pids.length === 0 && (await runningIn(folder)).length === 0;
}

t.test('several workers, each with its own environment', async (t) => {
  const cwd = t.testdir();
  const app = await supervise(t, { instances: 3, cwd, env: { FOO: 'bar' }, agentSocket: '/run/hw.sock' });
  t.equal(app.supervisor.kind, 'child');
  const before = (await app.supervisor.slots()).map(({ worker, pid }) => `${worker} ${pid}`);
  t.strictSame(before, ['0 null', '1 null', '2 null']);
  await app.supervisor.start();
  const pids = await Promise.all(['0', '1', '2'].map(app.ready));
  t.equal(new Set(pids).size, 3);
  for (const [index, pid] of pids.entries()) {
    const { cwd: where, env } = await reportOf(app.folder, pid);
    t.equal(where, cwd);
    t.strictSame(env, { HEAPWARDEN_APP: 'shop', HEAPWARDEN_WORKER: String(index), FOO: 'bar' });
  }
  t.strictSame(await app.supervisor.slots(), pids.map((pid, i) => ({ worker: String(i), pid, state: 'running' })));
  await app.supervisor.close();
  t.strictSame((await app.supervisor.slots()).map(({ pid, state }) => [pid, state]), pids.map(() => [null, 'stopped']));
  t.ok(await nothingRuns(app));
});

t.test('the agent is given to the app and to whatever Node it starts', async (t) => {
  const folder = t.testdir({ 'an "agent".cjs': `console.log('agent in', process.pid);` });
  const app = await supervise(t, {
    agentEntry: join(folder, 'an "agent".cjs'),
    command: [process.execPath, CHILD_APP],
    env: { HOW: 'wrapper', CHILD_HOW: 'plain' },
  });
  await app.supervisor.start();
  const pid = await app.ready();
  const child = await childOf(app.folder, pid);
  t.equal((await reportOf(app.folder, pid)).env['HEAPWARDEN_SOCKET'], '/nowhere.sock');
  const printed = app.output.join('');
  t.match(printed, `agent in ${pid}\n`);
  t.match(printed, `agent in ${child.pid}\n`);
});

t.test('what it writes is passed on in whole lines, the last one too', async (t) => {
  const first = `printf 'one\\ntwo'; printf 'half \\303' >&2; sleep 0.1`;
  const script = `${first}; printf '\\244\\nlast'; printf '\\274' >&2; exit 1`;
  const lines: string[] = [];
  const relay = new OutputRelay((stream, text) => void lines.push(`${stream} ${text}`), { named: true });
  const app = await supervise(t, {
    command: ['sh', '-c', script],
    onOutput: (name, worker, stream, chunk) => relay.push(name, worker, stream, chunk),
  });
  await app.supervisor.start();
  await until('it to be started again', () => lines.filter((line) => line.includes('one')).length === 2);
  await until('its last words', () => lines.filter((line) => line.includes('half')).length === 2);
  await app.supervisor.close();
  t.strictSame(lines.slice(0, 4).toSorted(), [
    'stderr shop/0 | half ü\n',
    'stdout shop/0 | last\n',
    'stdout shop/0 | one\n',
    'stdout shop/0 | two\uFFFD\n',
  ]);
  t.ok(lines.every((line) => /^std(out|err) shop\/0 \| [^\n]*\n$/.test(line)), lines.join(''));
});

t.test('a crash: it is started again, later each time, and left stopped in the end', async (t) => {
  const pauses: number[] = [];
  const clock = hurriedClock(isBackoff, (ms) => pauses.push(ms));
  const app = await supervise(t, { env: { HOW: 'crash' }, clock });
  await app.supervisor.start();
  await until('the crash loop', async () => (await app.supervisor.slots())[0]!.state === 'crash_loop');
  t.strictSame(await app.supervisor.slots(), down('crash_loop'));
  t.strictSame(pauses, Array.from({ length: CRASH_LOOP_EXITS - 1 }, (_, i) => backoffMs(i + 1)));
  t.equal(reportsIn(app.folder).length, CRASH_LOOP_EXITS);
  const lines = app.log.entries.map(({ level, message }) => `${level} ${message}`);
  t.match(lines[0], /^warn shop\/0 exited with code 3 after \d\.\d s; it is started again in 0\.1 s$/);
  t.match(lines.at(-1), /^error shop\/0 exited with code 3 .*, for the 10th time in a row: it is left stopped\. /);
  t.match(lines.at(-1), /then run: heapwarden restart shop --worker=0$/);
  t.match(app.log.entries.at(-1)!.fields, { app: 'shop', worker: '0', state: 'crash_loop' });
  t.equal(lines.length, CRASH_LOOP_EXITS);
  await sleep(A_WHILE_MS);
  t.equal(reportsIn(app.folder).length, CRASH_LOOP_EXITS, 'and stays stopped');

  t.equal((await app.supervisor.restart('0', options())).stop, 'gone', 'a restart starts it again');
  await until('the next crash loop', async () => (await app.supervisor.slots())[0]!.state === 'crash_loop');
  t.equal(reportsIn(app.folder).length, 2 * CRASH_LOOP_EXITS, 'with as many attempts as at first');
});

t.test('a crash after a long life is none in a row', async (t) => {
  const pauses: number[] = [];
  let ageMs = 0;
  const hurried = hurriedClock(isBackoff, (ms) => pauses.push(ms));
  const app = await supervise(t, { clock: { ...hurried, monotonic: () => hurried.monotonic() + ageMs } });
  await app.supervisor.start();
  for (const age of [0, 0, STABLE_AFTER_MS, 0]) {
    const pid = await app.ready();
    ageMs += age;
    process.kill(pid, 'SIGKILL');
    await until('its end', async () => (await app.supervisor.slots())[0]!.pid !== pid);
  }
  await app.ready();
  t.strictSame(pauses, [100, 200, 100, 200]);
  t.match(app.log.entries[0]!.message, /^shop\/0 was ended by SIGKILL after /);
});

t.test('a clock that jumps makes no crash of a long life, nor a long life of a crash', async (t) => {
  const pauses: number[] = [];
  const hurried = hurriedClock(isBackoff, (ms) => pauses.push(ms));
  let jumpMs = 0;
  const app = await supervise(t, { env: { HOW: 'crash' }, clock: { ...hurried, now: () => (jumpMs += 86_400_000) } });
  await app.supervisor.start();
  await until('three crashes', () => pauses.length >= 3);
  t.strictSame(pauses.slice(0, 3), [100, 200, 400]);
});

t.test('what a crashed process leaves behind is gone before it is started again', async (t) => {
  const port = await freePort();
  const env = { HOW: 'wrapper', CHILD_HOW: 'stubborn', PORT: String(port) };
  const app = await supervise(t, { env, stopTimeoutMs: () => 300 });
  await app.supervisor.start();
  const pid = await app.ready();
  const child = await mustIdentify((await childOf(app.folder, pid)).pid);
  process.kill(pid, 'SIGKILL');
  const next = await until('the next one', async () => (await app.supervisor.slots())[0]!.pid !== pid && app.ready());
  t.notOk(await isAlive(child), 'its child is gone');
  await childOf(app.folder, next);
  t.pass('and the next child could have the port');
});

t.test('even of one that ends before it can be looked at', async (t) => {
  const clock = hurriedClock(isBackoff, () => {});
  const app = await supervise(t, { command: ['sh', '-c', 'sleep 1000 & :'], clock });
  await app.supervisor.start();
  await until('the crash loop', async () => (await app.supervisor.slots())[0]!.state === 'crash_loop');
  await until('its children to go', async () => (await runningIn(app.folder)).length === 0, 3000);
  t.pass('nobody is left');
});

t.test('a command that cannot be started', async (t) => {
  const folder = t.testdir({ file: '' });
  const here = { cwd: folder };
  const cases: [string, RegExp, Parameters<typeof supervise>[1]][] = [
    ['no such program', /spawn \/no\/such ENOENT/, { command: ['/no/such'] }],
    ['no permission', /EACCES/, { command: [join(folder, 'file')] }],
    ['no cwd', /its cwd \/no\/such\/folder does not exist/, { command: ['true'], cwd: '/no/such/folder' }],
    ['a file for a cwd', /ENOTDIR/, { command: ['true'], cwd: join(folder, 'file') }],
    ['a zero byte', /null bytes/, { command: ['true', 'a\0b'], ...here }],
    ['an argument beyond all bounds', /E2BIG/, { command: ['true', 'x'.repeat(3e6)], ...here }],
  ];
  for (const [name, message, settings] of cases) {
    const pauses: number[] = [];
    const app = await supervise(t, { ...settings, clock: hurriedClock(isBackoff, (ms) => pauses.push(ms)) });
    await app.supervisor.start();
    await until('the crash loop', async () => (await app.supervisor.slots())[0]!.state === 'crash_loop');
    t.match(app.log.entries[0]!.message, message, name);
    t.match(app.log.entries[0]!.message, /^shop\/0 could not be started: .*; it is started again in 0\.1 s$/);
    t.equal(pauses.length, CRASH_LOOP_EXITS - 1, name);
    await t.resolves(app.supervisor.restart('0', options()), 'a restart does not fail for it');
    await app.supervisor.close();
  }
});

t.test('a restart', async (t) => {
  const app = await supervise(t, { instances: 2 });
  await app.supervisor.start();
  const [zero, one] = [await app.ready('0'), await app.ready('1')];
  const old = await mustIdentify(one);
  const begun = performance.now();
  const report = await app.supervisor.restart('1', options());
  const next = await app.ready('1');
  t.match(report, { stop: 'exited', pid: next, ready: null });
  t.ok(report.goneAt! > begun && report.goneAt! < performance.now(), 'told when the old one had gone');
  t.not(next, one);
  t.notOk(await isAlive(old));
  t.equal(await app.ready('0'), zero, 'the other worker is not touched');
  for (const name of ['2', '-1', '00', '', '0 ']) {
    await t.rejects(app.supervisor.restart(name, options()), { code: 'UNKNOWN_WORKER' }, name);
  }
  t.equal((await runningIn(app.folder)).length, 2);
});

t.test('an app that needs a while for its last work has it', async (t) => {
  const app = await supervise(t, { env: { HOW: 'graceful' } });
  await app.supervisor.start();
  const pid = await app.ready();
  const restart = app.supervisor.restart('0', options());
  await untilStopping(app);
  t.match(await app.supervisor.slots(), [{ pid, state: 'stopped' }], 'meanwhile the slot has it, stopped');
  t.equal((await restart).stop, 'exited');
  t.ok(hasFinished(app.folder, pid));
});

t.test('its last words are passed on', async (t) => {
  const speech = 'i=0; while [ $i -lt 2000 ]; do echo word $i; i=$((i+1)); done; exit 0';
  const script = `trap '${speech}' TERM; echo up; while :; do sleep 0.05; done`;
  const app = await supervise(t, { command: ['sh', '-c', script] });
  await app.supervisor.start();
  await until('it to be up', () => app.output.length > 0);
  await app.supervisor.close();
  t.match(app.output.join(''), /word 1999\n$/);
});

t.test('a stubborn app is killed when its time is over', async (t) => {
  const app = await supervise(t, { env: { HOW: 'stubborn' }, stopTimeoutMs: () => 300 });
  await app.supervisor.start();
  const old = await mustIdentify(await app.ready());
  const begun = performance.now();
  const report = await app.supervisor.restart('0', options(500));
  const took = performance.now() - begun;
  t.equal(report.stop, 'killed');
  t.ok(took >= 500 && took < 5000, `${took} ms`);
  t.notOk(await isAlive(old));
  t.equal(report.pid, await app.ready());
});

t.test('grandchildren go with it, whatever they are', async (t) => {
  const port = await freePort();
  for (const [how, childHow] of [
    ['wrapper', 'graceful'],
    ['wrapper', 'stubborn'],
    ['forwards', 'graceful'],
    ['detaches', 'plain'],
    ['detaches', 'stubborn'],
  ] as const) {
    const name = `${how} ${childHow}`;
    const app = await supervise(t, { env: { HOW: how, CHILD_HOW: childHow, PORT: String(port) }, stopTimeoutMs: () => 1000 });
    await app.supervisor.start();
    const child = await childOf(app.folder, await app.ready());
    await app.supervisor.restart('0', options(childHow === 'graceful' ? 10_000 : 1000));
    const next = await childOf(app.folder, await app.ready());
    t.not(next.pid, child.pid, `${name}: the next child has the port`);
    t.equal((await runningIn(app.folder)).length, 2, name);
    if (childHow === 'graceful') t.ok(hasFinished(app.folder, child.pid), `${name}: the old one finished its work`);
    await app.supervisor.close();
    t.strictSame(await runningIn(app.folder), [], `${name}: after the close nobody is left`);
    const refused = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve('connected'));
      socket.once('error', (error) => resolve(error.message));
    });
    t.match(refused, /ECONNREFUSED/);
  }
});

t.test('a close while it starts', async (t) => {
  const app = await supervise(t);
  const start = app.supervisor.start();
  await Promise.all([app.supervisor.close(), start]);
  t.ok(await nothingRuns(app));
  await app.supervisor.start();
  t.ok(await nothingRuns(app), 'and it is not started any more');
});

t.test('a close while it waits for the next start', async (t) => {
  for (const waitMs of [0, 20, 90, 100, 110]) {
    const app = await supervise(t, { env: { HOW: 'crash' } });
    await app.supervisor.start();
    await until('the first crash', () => app.log.entries.length === 1);
    await sleep(waitMs);
    await app.supervisor.close();
    const reports = reportsIn(app.folder).length;
    t.ok(await nothingRuns(app));
    t.equal(reportsIn(app.folder).length, reports, `${waitMs} ms later: no start since`);
    t.strictSame(await app.supervisor.slots(), down('stopped'));
  }
});

t.test('a restart and a close at once', async (t) => {
  for (const waitMs of [0, 10, 100, 400]) {
    const app = await supervise(t, { env: { HOW: 'graceful' } });
    await app.supervisor.start();
    await app.ready();
    const restart = app.supervisor.restart('0', options());
    await sleep(waitMs);
    await Promise.all([app.supervisor.close(), restart]);
    t.strictSame(await runningIn(app.folder), []);
    t.ok(await nothingRuns(app), `the close came ${waitMs} ms after the restart`);
  }
});

t.test('two restarts at once', async (t) => {
  const app = await supervise(t, { env: { HOW: 'graceful' } });
  await app.supervisor.start();
  const first = await app.ready();
  const reports = await Promise.all([app.supervisor.restart('0', options()), app.supervisor.restart('0', options())]);
  t.strictSame(reports.map(({ stop }) => stop), ['exited', 'exited']);
  const last = await app.ready();
  t.strictSame((await runningIn(app.folder)).map(({ pid }) => pid), [last], 'one process runs, and the slot has it');
  t.not(last, first);
  await app.supervisor.close();
  t.strictSame(await runningIn(app.folder), []);
});

t.test('a crash and a restart at once', async (t) => {
  for (const waitMs of [0, 5, 50, 95, 105]) {
    const app = await supervise(t);
    await app.supervisor.start();
    process.kill(await app.ready(), 'SIGKILL');
    await sleep(waitMs);
    await app.supervisor.restart('0', options());
    await sleep(300);
    const last = await app.ready();
    t.strictSame((await runningIn(app.folder)).map(({ pid }) => pid), [last], `the restart came ${waitMs} ms later`);
    await app.supervisor.close();
  }
});

t.test('an abort', async (t) => {
  const app = await supervise(t, { env: { HOW: 'graceful' } });
  await app.supervisor.start();
  const pid = await app.ready();
  const [before, meanwhile] = [new AbortController(), new AbortController()];
  before.abort();
  await t.rejects(app.supervisor.restart('0', stopFirst({ stopTimeoutMs: 1000, signal: before.signal })), { name: 'AbortError' });
  t.equal(await app.ready(), pid, 'before the restart: nothing is touched');
  const restart = app.supervisor.restart('0', stopFirst({ stopTimeoutMs: 10_000, signal: meanwhile.signal }));
  await untilStopping(app);
  meanwhile.abort();
  t.match(await restart, { stop: 'exited', pid: null, goneAt: Number, ready: null });
  t.ok(hasFinished(app.folder, pid), 'meanwhile: the stop is seen through');
  t.strictSame(await app.supervisor.slots(), down('stopped'), 'and nothing is started');
  await app.supervisor.restart('0', options());
  t.ok(await app.ready());
});

t.test('when the system cannot be asked', async (t) => {
  let failing = true;
  const table: ProcessTable = {
    identify: (pid) => (failing ? Promise.reject(new Error('EMFILE')) : processes.identify(pid)),
    tree: (root) => (failing ? Promise.reject(new Error('EMFILE')) : processes.tree(root)),
  };
  const app = await supervise(t, { processes: table });
  await app.supervisor.start();
  t.match(app.log.entries[0]!.message, 'shop/0 cannot be watched, so it is ended: EMFILE');
  failing = false;
  const pid = await app.ready();
  t.equal((await runningIn(app.folder)).length, 1, 'a process that cannot be identified is not left running');
  failing = true;
  await t.rejects(app.supervisor.restart('0', options()), {
    code: 'SUPERVISOR_REFUSED',
    message: 'shop/0 could not be stopped: EMFILE',
  });
  t.match(await app.supervisor.slots(), [{ pid, state: 'running' }]);
  failing = false;
  t.equal((await app.supervisor.restart('0', options())).stop, 'exited');
  t.not(await app.ready(), pid);
});

t.test("a process that cannot be seen, as another user's", async (t) => {
  const table: ProcessTable = { identify: async () => null, tree: async () => [] };
  const app = await supervise(t, { processes: table });
  await app.supervisor.start();
  const lines = app.log.entries.map(({ message }) => message);
  t.strictSame(lines, ['shop/0 runs, but cannot be seen: does it run as another user?']);
  await until('it to report', () => reportsIn(app.folder).length === 1);
  t.strictSame(await app.supervisor.slots(), down('starting'));
  await app.supervisor.close();
  t.ok(await nothingRuns(app));
});

t.test('a name that a shell would take apart is quoted in the advice', async (t) => {
  const clock = hurriedClock(isBackoff, () => {});
  const app = await supervise(t, { app: `Bob's shop`, command: ['false'], clock });
  await app.supervisor.start();
  await until('the crash loop', async () => (await app.supervisor.slots())[0]!.state === 'crash_loop');
  t.match(app.log.entries.at(-1)!.message, `run: heapwarden restart 'Bob'\\''s shop' --worker=0`);
});

t.test('what it starts is known on disk', async (t) => {
  const app = await supervise(t, { instances: 2 });
  await app.supervisor.start();
  const ids = await Promise.all(['0', '1'].map(async (worker) => mustIdentify(await app.ready(worker))));
  const onDisk = () => (JSON.parse(readFileSync(join(app.folder, 'children'), 'utf8')) as { apps: unknown }).apps;
  t.strictSame(onDisk(), { shop: ids });
  await app.supervisor.restart('0', options());
  const next = await mustIdentify(await app.ready('0'));
  t.strictSame(onDisk(), { shop: [next, ids[1]] });
  await app.supervisor.close();
  t.strictSame(onDisk(), {});
});

t.test('a close leaves no write behind', async (t) => {
  for (let round = 0; round < 20; round++) {
    const app = await supervise(t, { command: ['false'] });
    await app.supervisor.start();
    await app.supervisor.close();
    const { mtimeMs } = statSync(join(app.folder, 'children'));
    await sleep(20);
    t.equal(statSync(join(app.folder, 'children')).mtimeMs, mtimeMs);
    t.notOk(existsSync(join(app.folder, 'children.new')));
  }
});
