/** The supervisor against a real PM2. */
import t from 'tap';
import { needParts } from '../parts/index.js';
import { identify, lives, realPm2, running, supervisePm2, until } from '../parts/pm2.js';
import { stopFirst } from './options.js';

const signal = new AbortController().signal;

t.test('an app in fork mode', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'shop', env: { FOO: 'as started' }, max_restarts: 7, cron_restart: '0 0 1 1 *' });
  await pm2.start({ name: 'shop 2' });
  const shop = supervisePm2(t, pm2, 'shop');
  await shop.start();
  const [before] = await running(shop);
  const [beforePm2] = await pm2.list('shop');
  const old = await identify(before!.pid);
  t.same(before, { worker: '0', pid: beforePm2!.pid, state: 'running' });
  t.equal((await pm2.report(old.pid)).foo, 'as started');

  const report = await shop.restart('0', stopFirst({ stopTimeoutMs: 10_000, signal }));
  const [after] = await running(shop);
  t.match(report, { stop: 'exited', pid: after!.pid, goneAt: Number, ready: null });
  t.not(report.pid, old.pid);
  t.notOk(await lives(old), 'the old process is gone');
  t.equal((await pm2.report(after!.pid)).foo, 'as started', 'the environment is kept');

  const [afterPm2] = await pm2.list('shop');
  t.equal(afterPm2!.pm2_env['restart_time'], 1, "it counts as PM2's restart");
  t.equal(afterPm2!.pm2_env['max_restarts'], 7);
  // What PM2 writes there itself; all the rest are settings.
  const notes = [
    'restart_time', 'unstable_restarts', 'created_at', 'pm_uptime', 'node_version', 'axm_options', 'axm_actions', 'axm_monitor',
  ];
  const settings = Object.entries(beforePm2!.pm2_env).filter(([key]) => !notes.includes(key));
  t.strictSame(settings.map(([key]) => [key, afterPm2!.pm2_env[key]]), settings, 'so are its settings');

  await pm2.cli('stop', 'shop');
  t.strictSame(await shop.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
  const started = await shop.restart('0', stopFirst({ stopTimeoutMs: 10_000, signal }));
  t.strictSame(started, { stop: 'gone', pid: (await running(shop))[0]!.pid, goneAt: null, ready: null }, 'a stopped one is started');

  await pm2.cli('delete', 'shop');
  t.strictSame(await shop.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
  await t.rejects(shop.restart('0', stopFirst({ stopTimeoutMs: 100, signal })), { code: 'SUPERVISOR_REFUSED' });
  t.equal((await pm2.list('shop 2')).length, 1, 'another app is left alone');
});

t.test('an app in cluster mode', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'shop', exec_mode: 'cluster', instances: 2, env: { FOO: 'clustered' } });
  const shop = supervisePm2(t, pm2, 'shop');
  const [zero, one] = await running(shop);
  t.strictSame([zero!.worker, one!.worker], ['0', '1']);

  const report = await shop.restart('1', stopFirst({ stopTimeoutMs: 10_000, signal }));
  const after = await running(shop);
  t.strictSame(after, [zero, { worker: '1', pid: report.pid, state: 'running' }], 'worker 0 is the same process');
  t.equal(report.stop, 'exited');
  t.not(report.pid, one!.pid);
  t.equal((await pm2.report(report.pid!)).foo, 'clustered');
  await t.rejects(shop.restart('2', stopFirst({ stopTimeoutMs: 100, signal })), { code: 'UNKNOWN_WORKER' });

  await pm2.cli('delete', '0');
  t.strictSame(await running(shop), [after[1]], 'worker 1 keeps its slot');
  await pm2.cli('scale', 'shop', '2');
  const scaled = await running(shop);
  t.equal(scaled.length, 2);
  t.strictSame(scaled[1], after[1]);
  t.equal(scaled[0]!.worker, '0', 'the new one takes the free slot');
  const second = await shop.restart('0', stopFirst({ stopTimeoutMs: 10_000, signal }));
  t.strictSame(await running(shop), [{ ...scaled[0]!, pid: second.pid }, after[1]]);
});

t.test('a crash loop, and a wait for the next start', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'loop', max_restarts: 2, min_uptime: 60_000, env: { HOW: 'exits' } });
  const loop = supervisePm2(t, pm2, 'loop');
  await until('PM2 to give up', async () => (await loop.slots())[0]!.state === 'crash_loop');
  t.strictSame(await loop.slots(), [{ worker: '0', pid: null, state: 'crash_loop' }]);
  t.equal((await loop.restart('0', stopFirst({ stopTimeoutMs: 1000, signal }))).stop, 'gone', 'it is started again');

  await pm2.start({ name: 'wait', restart_delay: 600_000, env: { HOW: 'exits' } });
  const wait = supervisePm2(t, pm2, 'wait');
  await until('PM2 to wait', async () => (await wait.slots())[0]!.state === 'starting');
  t.strictSame(await wait.slots(), [{ worker: '0', pid: null, state: 'starting' }]);
  await t.rejects(wait.restart('0', stopFirst({ stopTimeoutMs: 1000, signal })), { code: 'SUPERVISOR_REFUSED' });
});

t.test('apps with a restart delay that PM2 will not start again, though it says that it waits', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  const stopped = { restart_delay: 1, env: { HOW: 'exits' } };
  const givenUp = { ...stopped, max_restarts: 2, min_uptime: 60_000 };
  const cases = [
    { name: 'given up', ...givenUp, state: 'crash_loop' },
    { name: 'given up, in cluster mode', ...givenUp, exec_mode: 'cluster', state: 'crash_loop' },
    { name: 'once', ...stopped, autorestart: false, state: 'stopped' },
    { name: 'done', ...stopped, stop_exit_codes: [3], state: 'stopped' },
  ];
  for (const { state, ...app } of cases) {
    await pm2.start(app);
    const supervisor = supervisePm2(t, pm2, app.name);
    await until(`"${app.name}" to be ${state}`, async () => (await supervisor.slots())[0]!.state === state);
    const [found] = await pm2.list(app.name);
    t.match(found, { pid: 0, pm2_env: { status: 'waiting restart' } }, `${app.name}: in PM2's words`);
    t.strictSame(await supervisor.slots(), [{ worker: '0', pid: null, state }]);
    t.equal((await supervisor.restart('0', stopFirst({ stopTimeoutMs: 1000, signal }))).stop, 'gone', 'it is started again');
  }
});
