/** Graceful restarts against a real PM2's cluster mode: what stays, and what happens where the new process does not come up. */
import { writeFileSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../src/clock.js';
import type { ProcessId, RestartOptions } from '../../src/supervisors/contract.js';
import { appFile } from '../integration/warden-process.js';
import { needParts } from '../parts/index.js';
import { identify, lives, realPm2, running, supervisePm2, until, type Pm2, type Pm2App } from '../parts/pm2.js';
import { freePort } from '../parts/prometheus.js';
import { memoryLog } from './options.js';

const never = new AbortController().signal;
const graceful = (options: Partial<RestartOptions> = {}): RestartOptions => ({
  mode: 'graceful', stopTimeoutMs: 5000, signal: never, isReady: async () => true, ...options,
});

/** An app that listens; while the file `breaks` exists, its new processes do as it says. */
async function webCluster(pm2: Pm2, settings: Partial<Pm2App> = {}) {
  const breaks = join(pm2.reports, 'break');
  const port = String(await freePort());
  const env = { APP_PORT: port, FOO: 'kept', BREAK_IF: breaks, ...settings.env };
  const script = appFile('pm2-web.cjs');
  await pm2.start({ name: 'web', script, exec_mode: 'cluster', instances: 2, listen_timeout: 1000, ...settings, env });
  return { breaks, url: `http://127.0.0.1:${port}/` };
}

const settingsOf = async (pm2: Pm2) => (await pm2.list('web')).map(({ pm2_env: env }) => env);

/** What PM2 writes there itself; all the rest are settings. */
const NOTES = [
  'restart_time', 'created_at', 'pm_uptime', 'prev_restart_delay', 'exit_code', '_tree_pids', 'node_version',
  'axm_options', 'axm_actions', 'axm_monitor',
];
const withoutNotes = (env: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(env).filter(([key]) => !NOTES.includes(key)));

t.test('all but the process stays as it was, while a stand-in serves', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await webCluster(pm2, { cron_restart: '0 0 1 1 *', max_memory_restart: '1G', max_restarts: 7, watch: [join(pm2.reports, 'watched')] });
  const drained: number[] = [];
  const web = supervisePm2(t, pm2, 'web', { drain: async ({ pid }) => drained.push(pid) > 0 });
  const [zero, one] = await running(web);
  const before = await settingsOf(pm2);
  const old = await identify(zero!.pid);

  const asked: { process: ProcessId; oldLives: boolean; slots: number; socketPath: string | null }[] = [];
  const isReady: RestartOptions['isReady'] = async ({ process, socketPath }) => {
    asked.push({ process, socketPath, oldLives: await lives(old), slots: (await web.slots()).length });
    return true;
  };
  const begun = performance.now();
  const report = await web.restart('0', graceful({ isReady }));
  t.comment(`without wait_ready, listen_timeout 1 s: ${Math.round(performance.now() - begun)} ms`);
  const after = await running(web);
  t.strictSame(report, { stop: 'exited', pid: after[0]!.pid, goneAt: null, ready: true });
  t.strictSame(after, [{ ...zero, pid: report.pid }, one], 'the slot is the same, and so is the other process');
  t.not(report.pid, old.pid);
  t.notOk(await lives(old));

  t.equal(asked.length, 2, 'two processes were asked whether they are ready');
  const [first, second] = asked;
  t.match(first, { oldLives: true, socketPath: null, slots: 2 }, 'the stand-in while the old one ran, in no slot');
  t.match(second, { oldLives: false, process: { pid: report.pid }, slots: 2 }, 'then the new one');
  t.strictSame(drained, [old.pid, first!.process.pid], 'the old one was drained, then the stand-in');
  t.notOk(await lives(first!.process), 'the stand-in has gone');
  const standIn = await pm2.report(first!.process.pid);
  t.match(standIn, { instance: '2', standIn: `0:${old.pid}`, foo: 'kept' }, 'it had a number of its own, and knew what it was');
  t.match(await pm2.report(report.pid!), { instance: '0', standIn: null, foo: 'kept' }, "the new one has the old one's");

  const settings = await settingsOf(pm2);
  t.strictSame(settings.map(withoutNotes), before.map(withoutNotes), "PM2's settings are as they were");
  t.strictSame(settings.map((env) => env['restart_time']), [1, 0], "it counts as one of PM2's restarts");
  t.strictSame((await readdir(join(pm2.home, 'pids'))).sort(), ['web-0.pid', 'web-1.pid']);
  const logs = ['web-error-0.log', 'web-error-1.log', 'web-out-0.log', 'web-out-1.log'];
  t.strictSame((await readdir(join(pm2.home, 'logs'))).sort(), logs, 'no log file was added');
});

t.test('a new process that does not come up leaves the old one in place', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  const { breaks } = await webCluster(pm2, { wait_ready: true, listen_timeout: 5000, env: { SAYS_READY: '1' } });
  const web = supervisePm2(t, pm2, 'web');
  const before = await running(web);
  const settings = (await settingsOf(pm2)).map(withoutNotes);
  const fails = async (what: string, why: RegExp, options: Partial<RestartOptions> = {}) => {
    await t.rejects(web.restart('0', graceful(options)), { code: 'NOT_READY', message: why }, what);
    t.strictSame(await running(web), before, `${what}: both run as before`);
    t.strictSame((await settingsOf(pm2)).map(withoutNotes), settings, `${what}: nothing is left in PM2`);
  };

  writeFileSync(breaks, 'exits');
  await fails('it exits at once', /did not come up: it ended.*"pm2 logs web" .*; the old one \(pm_id 0\) was left in place$/);
  writeFileSync(breaks, 'silent');
  await fails('it never says ready', /it runs, but did not become ready, or never said "ready" to PM2/);
  await rm(breaks);
  await fails('the check says no', /it runs, but did not become ready/, { isReady: async () => false });
  const isReady: RestartOptions['isReady'] = async ({ process: { pid } }) => (process.kill(pid, 'SIGKILL'), new Promise(() => {}));
  await fails('it dies while it is checked', /: it ended/, { isReady });

  const begun = performance.now();
  const report = await web.restart('0', graceful());
  t.comment(`with wait_ready: ${Math.round(performance.now() - begun)} ms`);
  t.equal(report.ready, true, 'and in the end it is restarted');
  t.not((await running(web))[0]!.pid, before[0]!.pid);
});

t.test('where the second start fails, the stand-in goes on serving', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  const { breaks, url } = await webCluster(pm2, { instances: 1, max_restarts: 3, min_uptime: 60_000 });
  const log = memoryLog();
  const later = { ...systemClock, now: () => Date.now() + 3_600_000 };
  const web = supervisePm2(t, pm2, 'web', { log, clock: later, drain: async () => (writeFileSync(breaks, 'exits'), true) });
  const report = await web.restart('0', graceful());
  t.equal(report.ready, false);
  t.match(log.errors, [/new process of "web" \(pm_id 0\) is not ready; its stand-in \(pm_id 1\) serves until/]);
  await until('PM2 to give up', async () => (await web.slots())[0]!.state === 'crash_loop');
  t.equal((await web.slots()).length, 1, 'it is no worker of its own');
  const pid = (await pm2.list('web'))[1]!.pid;
  t.equal(await (await fetch(url)).text(), String(pid), 'users do not notice');

  await rm(breaks);
  const again = supervisePm2(t, pm2, 'web', { clock: later });
  t.equal((await again.restart('0', graceful())).stop, 'gone');
  const standIn = await identify(pid);
  await until('a warden that knows nothing of it to remove it', async () => (await again.slots(), !(await lives(standIn))));
  await until('PM2 to forget it', async () => (await pm2.list('web')).length === 1);
  t.match(await running(again), [{ worker: '0', state: 'running' }]);
});

t.test('a restart that a warden left undone', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await webCluster(pm2, { instances: 1 });
  const dying = new AbortController();
  const dead = supervisePm2(t, pm2, 'web', { drain: async () => (dying.abort(new Error('dies')), dead.close(), true) });
  const [old] = await running(dead);
  const process = await identify(old!.pid);
  await dead.restart('0', graceful({ signal: dying.signal })).catch(() => {});
  // The old one may have been drained, so that it must go; its stand-in serves.
  const log = memoryLog();
  const next = supervisePm2(t, pm2, 'web', { log, clock: { ...systemClock, now: () => Date.now() + 3_600_000 } });
  await until('the next warden to finish it', async () => (await next.slots(), !(await lives(process))));
  await until('the stand-in to go', async () => (await next.slots(), (await pm2.list('web')).length === 1));
  const [after] = await running(next);
  t.not(after!.pid, old!.pid);
  t.equal((await settingsOf(pm2))[0]!['restart_time'], 1, 'restarted once');
});

t.test('somebody else restarts the old one meanwhile', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await webCluster(pm2);
  const web = supervisePm2(t, pm2, 'web');
  let once = true;
  const isReady = async () => (once && ((once = false), await pm2.cli('restart', '0')), true);
  await t.rejects(web.restart('0', graceful({ isReady })), { code: 'SUPERVISOR_REFUSED', message: /somebody else replaced/ });
  t.equal((await running(web)).length, 2);
  t.strictSame((await settingsOf(pm2)).map((env) => env['restart_time']), [1, 0], 'it is not restarted twice');
});

t.test('a fork app stops first, and says when it had gone and whether it is ready', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  const web = { exec_mode: 'fork', instances: undefined };
  const { breaks } = await webCluster(pm2, { ...web, wait_ready: true, listen_timeout: 500, env: { SAYS_READY: '1' } });
  const app = supervisePm2(t, pm2, 'web', { readyMessageMs: () => 10_000 });
  const [old] = await running(app);
  const begun = performance.now();
  const report = await app.restart('0', graceful());
  const ended = performance.now();
  t.match(report, { stop: 'exited', pid: Number, ready: true });
  t.not(report.pid, old!.pid);
  t.ok(report.goneAt! > begun && report.goneAt! < ended, `gone ${report.goneAt! - begun} ms after the start, of ${ended - begun} ms`);
  t.comment(`fork: down for ${Math.round(ended - report.goneAt!)} ms`);

  await writeFile(breaks, 'silent');
  const silent = await app.restart('0', graceful());
  t.equal(silent.ready, false, "PM2's answer at the end of listen_timeout is not taken for `ready`");
  t.equal(silent.pid, (await running(app))[0]!.pid);
  const unasked = supervisePm2(t, pm2, 'web');
  t.equal((await unasked.restart('0', graceful())).ready, null, 'unless the config asks for it, nobody has asked');
});
