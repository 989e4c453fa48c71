/** The supervisor over real processes, which a shell starts again when they end. */
import { spawn } from 'node:child_process';
import { readFileSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { systemClock } from '../../src/clock.js';
import type { ProcessId } from '../../src/supervisors/contract.js';
import { CommandFailed } from '../../src/supervisors/external-command.js';
import { isAlive, mustIdentify, processes, until } from '../observe/support.js';
import { freePort, hasFinished, reportFolder, reportOf } from './child-support.js';
import { external, runner, runningPids, type External } from './external-support.js';
import { stopFirst } from './options.js';

const signal = new AbortController().signal;
const DRAIN_MS = 300;
const options = (more: Partial<Parameters<typeof stopFirst>[0]> = {}) => stopFirst({ stopTimeoutMs: 15_000, signal, ...more });
const messages = ({ log }: External, level: 'warn') => log.entries.filter((entry) => entry.level === level).map(({ message }) => message);

t.test('found by its command line, restarted by a signal', async (t) => {
  const app = await runner(t, { HOW: 'graceful' });
  const shop = external({ match: app.match });
  await shop.supervisor.start();
  const [pid] = await runningPids(shop);
  await reportOf(app.folder, pid!);
  const old = await mustIdentify(pid!);
  const begun = performance.now();
  const report = await shop.supervisor.restart('0', options());
  t.match(report, { stop: 'exited', goneAt: Number, ready: null });
  t.notOk('command' in report);
  t.ok(report.goneAt! >= begun && report.goneAt! <= performance.now());
  t.notOk(await isAlive(old));
  t.ok(hasFinished(app.folder, old.pid), 'it had the time for its last work');
  t.strictSame(await shop.supervisor.slots(), [{ worker: '0', pid: report.pid, state: 'running' }]);
  t.not(report.pid, pid);
  await t.rejects(shop.supervisor.restart('1', options()), { code: 'UNKNOWN_WORKER' });
});

t.test('one that ignores SIGTERM', async (t) => {
  const app = await runner(t, { HOW: 'stubborn' });
  const shop = external({ match: app.match });
  const [pid] = await runningPids(shop);
  await reportOf(app.folder, pid!);
  const begun = performance.now();
  const report = await shop.supervisor.restart('0', options({ stopTimeoutMs: 500 }));
  t.equal(report.stop, 'killed');
  t.ok(performance.now() - begun >= 500);
  t.not(report.pid, pid);
  t.ok(report.pid);
});

t.test('the signal that the config names', async (t) => {
  const app = await runner(t, { HOW: 'stubborn' });
  const shop = external({ match: app.match, restart: { signal: 'SIGINT' } });
  const [pid] = await runningPids(shop);
  await reportOf(app.folder, pid!);
  t.equal((await shop.supervisor.restart('0', options())).stop, 'exited', 'it ignores SIGTERM alone');
});

t.test('several workers keep their slots', async (t) => {
  const app = await runner(t, {}, 3);
  const shop = external({ match: app.match });
  const before = await runningPids(shop, 3);
  for (const pid of before) await reportOf(app.folder, pid);
  const { pid } = await shop.supervisor.restart('1', options());
  t.strictSame(await runningPids(shop, 3), [before[0], pid, before[2]]);
  process.kill(before[2]!, 'SIGKILL');
  const after = await runningPids(shop, 3, [before[2]!]);
  t.strictSame(after.slice(0, 2), [before[0], pid], 'one that ends by itself is followed by its successor, too');
});

t.test('a wrapper and its server are one worker', async (t) => {
  const app = await runner(t, { HOW: 'wrapper', CHILD_HOW: 'stubborn' });
  const shop = external({ match: app.match }); // both are called so
  const [pid] = await runningPids(shop);
  const child = await until('its child', async () => (await processes.tree(await mustIdentify(pid!)))[1] ?? null);
  await reportOf(app.folder, child.pid);
  t.equal((await shop.supervisor.restart('0', options({ stopTimeoutMs: 500 }))).stop, 'killed', 'the child ignores SIGTERM');
  t.notOk(await isAlive(child));
});

t.test('found by its port', async (t) => {
  const PORT = String(await freePort());
  const app = await runner(t, { PORT });
  const shop = external({ port: Number(PORT) });
  const [pid] = await runningPids(shop);
  t.strictSame(await app.pids(), [pid]);
  await runningPids(shop); // now by looking at the one that is known
  const { pid: next } = await shop.supervisor.restart('0', options());
  t.ok(next);
  t.not(next, pid);
});

t.test('found by its pid file; stale ones', async (t) => {
  const app = await runner(t);
  const file = join(app.folder, 'app.pid');
  const shop = external({ pid_file: file });
  const [pid] = await runningPids(shop);
  t.equal(pid, Number(readFileSync(file, 'utf8')));
  const { pid: next } = await shop.supervisor.restart('0', options());
  t.equal(next, Number(readFileSync(file, 'utf8')));
  t.not(next, pid);

  const old = new Date(Date.now() - 3_600_000);
  utimesSync(file, old, old);
  t.match(await shop.supervisor.slots(), [{ pid: next, state: 'running' }], 'the clock may have been set: it is the same process');
  t.strictSame(messages(shop, 'warn'), []);
  const stopped = [{ worker: '0', pid: null, state: 'stopped' as const }];
  const later = external({ pid_file: file });
  t.strictSame(await later.supervisor.slots(), stopped);
  await later.supervisor.slots();
  t.match(messages(later, 'warn'), [/^shop: .*app\.pid is stale: process \d+ started .* after it was written/]);
  t.equal(messages(later, 'warn').length, 1, 'said once');
  await t.rejects(later.supervisor.restart('0', options()), { code: 'SUPERVISOR_REFUSED', message: /no process to signal \(.* is stale/ });
  t.ok(await isAlive(await mustIdentify(next!)), 'left alone');

  const ended = spawn('/bin/true');
  await new Promise((resolve) => ended.once('exit', resolve));
  writeFileSync(file, `${ended.pid}\n`);
  t.strictSame(await shop.supervisor.slots(), stopped);
  unlinkSync(file);
  t.strictSame(await shop.supervisor.slots(), stopped);
});

t.test('by a command', async (t) => {
  const app = await runner(t);
  // As a user would write it: it is told which process is meant.
  const kills = ['sh', '-c', 'echo "restarting $HEAPWARDEN_APP/$HEAPWARDEN_WORKER, not $SECRET"; kill "$HEAPWARDEN_PID"'];
  const env = { PATH: process.env['PATH']!, SECRET: 'hush' };
  const shop = external({ match: app.match, restart: kills }, { env });
  const [pid] = await runningPids(shop);
  await reportOf(app.folder, pid!);
  const report = await shop.supervisor.restart('0', options());
  t.match(report, { stop: 'exited', goneAt: Number, command: { status: 0, signal: null, timedOut: false, output: 'restarting shop/0, not' } });
  t.not(report.pid, pid);
  t.strictSame(await runningPids(shop), [report.pid]);
});

t.test('a command that starts the new process before it stops the old one', async (t) => {
  const REPORT_DIR = await reportFolder(t);
  const seconds = `3600.${process.pid}`; // of no other process
  const old = spawn('sleep', [seconds], { env: { ...process.env, REPORT_DIR }, stdio: 'ignore' });
  const deploy = `REPORT_DIR=${REPORT_DIR} sleep ${seconds} >/dev/null 2>&1 & sleep 1; kill "$HEAPWARDEN_PID"; echo $!`;
  const shop = external({ match: `^sleep ${seconds}$`, restart: ['sh', '-c', deploy] });
  t.strictSame(await runningPids(shop), [old.pid]);
  const restarting = shop.supervisor.restart('0', options());
  const [next] = await until('both', async () => {
    t.strictSame((await shop.supervisor.slots()).map(({ worker }) => worker), ['0']);
    return shop.supervisor.beside().length > 0 ? shop.supervisor.beside() : null;
  });
  t.match(await restarting, { stop: 'exited', pid: next, command: { status: 0, output: String(next) } });
  t.strictSame(await shop.supervisor.slots(), [{ worker: '0', pid: next, state: 'running' }]);
  t.strictSame(shop.supervisor.beside(), []);
});

t.test('a command that fails, hangs, does nothing, or is not there', async (t) => {
  const app = await runner(t);
  const [pid] = await runningPids(external({ match: app.match }));
  await reportOf(app.folder, pid!);
  const failing = async (restart: string[], how: Partial<Parameters<typeof stopFirst>[0]> = {}, timeout = 20_000) => {
    const { supervisor } = external({ match: app.match, restart, timeout });
    return supervisor.restart('0', options(how)).then(() => null, (error: unknown) => error as CommandFailed);
  };
  t.match(await failing(['sh', '-c', 'echo begun; echo no such app >&2; exit 7']), {
    code: 'SUPERVISOR_REFUSED',
    message: 'its restart command ended with status 7: no such app',
    report: { status: 7, timedOut: false, output: 'begun\nno such app' },
  });
  t.match(await failing(['sleep', '1001'], {}, 300), {
    message: 'its restart command had not ended after 300ms, and was stopped',
    report: { timedOut: true },
  });
  t.match(await failing(['true'], { stopTimeoutMs: 300 }), {
    message: `process ${pid} still runs 300ms (stop_timeout) after its restart command had ended with status 0`,
    report: { status: 0 },
  });
  const missing = await failing(['/nonexistent/restart']);
  t.notOk(missing instanceof CommandFailed);
  t.match(missing, { message: 'its restart command cannot be started: there is no program /nonexistent/restart' });
  t.ok(await isAlive(await mustIdentify(pid!)));
  t.strictSame(await app.pids(), [pid], 'nobody was touched');
});

t.test('a command that starts what does not run', async (t) => {
  const app = await runner(t);
  const [pid] = await runningPids(external({ match: app.match }));
  const flag = join(app.folder, 'other.pid');
  const shop = external({ pid_file: flag, restart: ['sh', '-c', `sleep 0.5; echo ${pid} > ${flag}; echo "was: $HEAPWARDEN_PID"`] });
  t.strictSame(await shop.supervisor.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
  const restarting = shop.supervisor.restart('0', options());
  await until('the command', async () => (await shop.supervisor.slots())[0]!.state === 'starting');
  t.match(await restarting, { stop: 'gone', pid, goneAt: null, command: { output: 'was:' } });
});

t.test('drained first where it is asked for', async (t) => {
  const app = await runner(t);
  const [pid] = await runningPids(external({ match: app.match }));
  await reportOf(app.folder, pid!);
  const drained: number[] = [];
  const drain = async (process: ProcessId) => {
    t.ok(await isAlive(process), 'before it is stopped');
    await sleep(DRAIN_MS);
    return { complete: drained.push(process.pid) > 0, deaf: true };
  };
  const failing = external({ match: app.match, restart: ['false'] }, { drain });
  await t.rejects(failing.supervisor.restart('0', options()), { message: 'its restart command ended with status 1' });
  t.strictSame(drained, [], 'not with stop_first');
  await t.rejects(failing.supervisor.restart('0', options({ mode: 'graceful' })), {
    message:
      'its restart command ended with status 1. Its agent had been asked to take no new connections, so that it may ' +
      'serve nobody: restart it by hand',
  });
  t.strictSame(drained, [pid]);
  const shop = external({ match: app.match }, { drain });
  const begun = performance.now();
  const { goneAt } = await shop.supervisor.restart('0', options({ mode: 'graceful' }));
  t.strictSame(drained, [pid, pid]);
  t.ok(goneAt! - begun < DRAIN_MS, 'it serves nobody from when it begins to drain');
});

t.test('a process that changes while it is looked at is not signalled', async (t) => {
  const app = await runner(t);
  const [pid] = await runningPids(external({ match: app.match }));
  await reportOf(app.folder, pid!);
  // Seen as it was before another process came to have its pid.
  const before = { ...(await mustIdentify(pid!)), start: 1, parent: 1, startedAtMs: 0 };
  const finder = {
    processes: async () => new Map([[before.pid, before]]),
    withCommandLines: async () => new Map([[before.pid, { ...before, commandLine: 'shop' }]]),
    listenersOn: async () => ({ pids: [], hidden: false }),
  };
  const shop = external({ match: 'shop' }, { finder, clock: { now: Date.now, monotonic: () => performance.now(), sleep: (ms) => sleep(Math.min(ms, 10)) } });
  const stopping = AbortSignal.timeout(1000);
  await t.rejects(shop.supervisor.restart('0', options({ signal: stopping })), 'it waits for a new one until it is told not to');
  t.ok(await isAlive(await mustIdentify(pid!)));
  t.strictSame(await app.pids(), [pid]);
});

t.test('nothing to watch yet', async (t) => {
  const shop = external({ match: '^/nonexistent/node$' });
  await shop.supervisor.start();
  t.strictSame(messages(shop, 'warn'), ['shop: no process is found by its command line, /^/nonexistent/node$/ yet']);
  t.strictSame(await shop.supervisor.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
  const broken = external({ pid_file: t.testdir() });
  await broken.supervisor.start();
  t.match(messages(broken, 'warn'), [/^shop: .* cannot be read: EISDIR/]);
});

t.test('a look that does not end has failed after a while, and none is begun beside it', async (t) => {
  let [looks, end, pass] = [0, (): void => {}, (): void => {}];
  const finder = {
    processes: async () => new Map(),
    withCommandLines: () => {
      looks += 1;
      return new Promise<ReadonlyMap<number, never>>((resolve) => (end = () => resolve(new Map<number, never>())));
    },
    listenersOn: async () => ({ pids: [], hidden: false }),
  };
  const slept: number[] = [];
  const sleepUntilTold = (ms: number) => (slept.push(ms), new Promise<void>((resolve) => (pass = resolve)));
  const shop = external({ match: 'shop' }, { finder, clock: { ...systemClock, sleep: sleepUntilTold } });
  const started = shop.supervisor.start();
  pass();
  await started;
  const why = 'its processes could not be looked for within 10 s: a process of this machine, or a disk, may hang';
  t.strictSame(messages(shop, 'warn'), [`shop: ${why}`]);
  const failed = { code: 'SUPERVISOR_UNREACHABLE', message: why };
  await t.rejects(shop.supervisor.slots(), failed);
  await t.rejects(shop.supervisor.restart('0', options()), failed);
  t.strictSame([looks, slept], [1, [10_000]]);
  end();
  await sleep(1);
  const slots = shop.supervisor.slots();
  end();
  t.strictSame(await slots, [{ worker: '0', pid: null, state: 'stopped' }]);
  t.equal(looks, 2);
});
