/** What becomes of a stand-in, against a real PM2, where a restart does not come to its end. */
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import t from 'tap';
import { systemClock } from '../../src/clock.js';
import type { ProcessId } from '../../src/supervisors/contract.js';
import { needParts } from '../parts/index.js';
import { identify, lives, realPm2, running, supervisePm2, until } from '../parts/pm2.js';
import { memoryLog } from './options.js';
import { graceful, settingsOf, webCluster } from './pm2-web.js';

t.test('where the second start fails, the stand-in goes on serving', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  const { breaks, url } = await webCluster(pm2, { instances: 1, max_restarts: 3, min_uptime: 60_000 });
  const log = memoryLog();
  const later = { ...systemClock, now: () => Date.now() + 3_600_000 };
  // The old one's alone: when the stand-in drains at the end, what it stood in for may be loading still.
  const willBreak = ['exits'];
  const drain = async () => {
    for (const how of willBreak.splice(0)) writeFileSync(breaks, how);
    return { complete: true, deaf: true };
  };
  const web = supervisePm2(t, pm2, 'web', { log, clock: later, drain });
  const report = await web.restart('0', graceful());
  t.equal(report.ready, false);
  t.match(log.errors, [/new process of "web" \(pm_id 0\) is not ready; its stand-in \(pm_id 1\) serves until/]);
  await until('PM2 to give up', async () => (await web.slots())[0]!.state === 'crash_loop');
  t.equal((await web.slots()).length, 1, 'it is no worker of its own');
  const pid = (await pm2.list('web'))[1]!.pid;
  t.equal(await (await fetch(url)).text(), String(pid), 'users do not notice');

  await rm(breaks);
  const standIn = await identify(pid);
  t.equal((await web.restart('0', graceful())).stop, 'gone', 'there is none to stand in for: it is started');
  await until('the stand-in to go, as it is needed no more', async () => (await web.slots(), !(await lives(standIn))));
  await until('PM2 to forget it', async () => (await pm2.list('web')).length === 1);
  t.match(await running(web), [{ worker: '0', state: 'running' }]);
});

t.test('a restart that a warden left undone', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await webCluster(pm2, { instances: 1 });
  // As a warden that is killed while the old process drains: from there on it does nothing more.
  const reached = new Promise<void>((resolve) => {
    const dead = supervisePm2(t, pm2, 'web', { drain: () => (resolve(), new Promise(() => {})) });
    void dead.restart('0', graceful());
  });
  await reached;
  const old = await identify((await pm2.list('web'))[0]!.pid);

  const log = memoryLog();
  const drained: number[] = [];
  const drain = async ({ pid }: ProcessId) => ({ complete: drained.push(pid) > 0, deaf: true });
  const next = supervisePm2(t, pm2, 'web', { log, drain, clock: { ...systemClock, now: () => Date.now() + 3_600_000 } });
  // The old one takes no request any more, so that it must go; its stand-in serves.
  await until('the next warden to finish it', async () => (await next.slots(), !(await lives(old))));
  await until('the stand-in to go', async () => (await next.slots(), (await pm2.list('web')).length === 1));
  const [after] = await running(next);
  t.not(after!.pid, old.pid);
  t.equal((await settingsOf(pm2))[0]!['restart_time'], 1, 'restarted once');
  t.equal(drained[0], old.pid, 'nobody knows how far the dead warden had come');
  t.match(log.warnings, [/^a restart of "web" has left a stand-in \(pm_id 1\): the restart of pm_id 0 is finished now$/]);
});

t.test('somebody else restarts the old one meanwhile', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await webCluster(pm2);
  const web = supervisePm2(t, pm2, 'web');
  let once = true;
  const isReady = async () => (once && ((once = false), await pm2.cli('restart', '0')), true);
  await t.rejects(web.restart('0', graceful({ isReady })), { code: 'SUPERVISOR_REFUSED', message: /somebody else replaced it/ });
  t.equal((await running(web)).length, 2);
  t.strictSame((await settingsOf(pm2)).map((env) => env['restart_time']), [1, 0], 'it is not restarted twice');
});
