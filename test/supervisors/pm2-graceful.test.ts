/** Graceful restarts against a real PM2: what stays as it was, and what happens where the new process fails. */
import { writeFileSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { ProcessId, RestartOptions } from '../../src/supervisors/contract.js';
import { needParts } from '../parts/index.js';
import { identify, lives, realPm2, running, supervisePm2 } from '../parts/pm2.js';
import { graceful, settingsOf, webCluster, withoutNotes } from './pm2-web.js';

t.test('all but the process stays as it was, while a stand-in serves', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  const watch = [join(pm2.reports, 'watched')];
  await webCluster(pm2, { cron_restart: '0 0 1 1 *', max_memory_restart: '1G', max_restarts: 7, watch });
  const drained: number[] = [];
  const web = supervisePm2(t, pm2, 'web', { drain: async ({ pid }) => ({ complete: drained.push(pid) > 0, deaf: true }) });
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
  const own = { instance: '2', standIn: `0:${old.pid}`, foo: 'kept' };
  t.match(standIn, own, 'it had a number of its own, and knew what it was');
  t.match(await pm2.report(report.pid!), { instance: '0', standIn: null, foo: 'kept' }, "the new one has the old one's");

  const settings = await settingsOf(pm2);
  t.strictSame(settings.map(withoutNotes), before.map(withoutNotes), "PM2's settings are as they were");
  t.strictSame(settings.map((env) => env['restart_time']), [1, 0], "it counts as one of PM2's restarts");
  t.strictSame((await readdir(join(pm2.home, 'pids'))).toSorted(), ['web-0.pid', 'web-1.pid']);
  const logs = ['web-error-0.log', 'web-error-1.log', 'web-out-0.log', 'web-out-1.log'];
  t.strictSame((await readdir(join(pm2.home, 'logs'))).toSorted(), logs, 'no log file was added');
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
  await fails('it exits at once', /did not come up: it ended.*"pm2 logs web".*; the old one \(pm_id 0\) was left in place$/);
  writeFileSync(breaks, 'silent');
  await fails('it never says ready', /it runs, but did not become ready, or never said "ready" to PM2/);
  await rm(breaks);
  await fails('the check says no', /it runs, but did not become ready/, { isReady: async () => false });
  const isReady: RestartOptions['isReady'] = async ({ process: { pid } }) => {
    process.kill(pid, 'SIGKILL');
    return new Promise(() => {});
  };
  await fails('it dies while it is checked', /: it ended/, { isReady });

  const begun = performance.now();
  const report = await web.restart('0', graceful());
  t.comment(`with wait_ready: ${Math.round(performance.now() - begun)} ms`);
  t.equal(report.ready, true, 'and in the end it is restarted');
  t.not((await running(web))[0]!.pid, before[0]!.pid);
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
  await rm(breaks);
  const unasked = supervisePm2(t, pm2, 'web');
  t.equal((await unasked.restart('0', graceful())).ready, null, 'unless the config asks for it, nobody has asked');
});

t.test('`ready` is heard where PM2 itself does not wait for it', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  const { breaks } = await webCluster(pm2, { env: { SAYS_READY: '1' } });
  let patienceMs = 20_000;
  const web = supervisePm2(t, pm2, 'web', { readyMessageMs: () => patienceMs });
  t.equal((await web.restart('1', graceful())).ready, true);
  writeFileSync(breaks, 'silent');
  patienceMs = 1000;
  await t.rejects(web.restart('1', graceful()), { code: 'NOT_READY', message: /never said "ready" to PM2/ });
});
