/** The supervisor against a real PM2 whose processes, or itself, do not go as they should. */
import t from 'tap';
import { needParts } from '../parts/index.js';
import { identify, lives, realPm2, running, supervisePm2, until } from '../parts/pm2.js';
import { stopFirst } from './options.js';

const signal = new AbortController().signal;

t.test('an app that does not stop', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);

  for (const mode of ['fork', 'cluster']) {
    await pm2.start({ name: mode, exec_mode: mode, kill_timeout: 20_000, env: { HOW: 'stubborn' } });
    const app = supervisePm2(t, pm2, mode);
    const [slot] = await running(app);
    const old = await identify(slot!.pid);
    await pm2.report(old.pid); // by then it is deaf
    const begun = performance.now();
    const report = await app.restart('0', stopFirst({ stopTimeoutMs: 500, signal }));
    const took = performance.now() - begun;
    t.match(report, { stop: 'killed', pid: (await running(app))[0]!.pid, goneAt: Number, ready: null }, `${mode}: we kill it`);
    t.notOk(await lives(old));
    t.ok(took >= 500 && took < 10_000, `after ${took} ms, not PM2's 20 s`);
  }

  await pm2.start({ name: 'pm2 kills', kill_timeout: 300, env: { HOW: 'stubborn' } });
  const app = supervisePm2(t, pm2, 'pm2 kills');
  const [slot] = await running(app);
  await pm2.report(slot!.pid); // by then it is deaf
  const begun = performance.now();
  t.equal((await app.restart('0', stopFirst({ stopTimeoutMs: 30_000, signal }))).stop, 'killed', "PM2's own kill is told too");
  t.ok(performance.now() - begun < 15_000);
});

t.test('a child that outlives its parent', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'left', treekill: false, env: { HOW: 'orphan' } });
  await pm2.start({ name: 'waited for', treekill: true, kill_timeout: 20_000, env: { HOW: 'orphan' } });
  for (const name of ['left', 'waited for']) {
    const app = supervisePm2(t, pm2, name);
    const [slot] = await running(app);
    const orphan = await identify((await pm2.report(slot!.pid)).child!);
    const report = await app.restart('0', stopFirst({ stopTimeoutMs: 1000, signal }));
    t.notOk(await lives(orphan), `${name}: the child is gone when the restart is done`);
    t.equal(report.stop, 'exited', 'the process itself went by itself');
    t.equal(report.pid, (await running(app))[0]!.pid);
    const next = await identify((await pm2.report(report.pid!)).child!);
    t.ok(await lives(next), "the new process' child is left alone");
    process.kill(next.pid, 'SIGKILL'); // or PM2's own stop waits 20 s for it
  }
});

t.test('a daemon that goes and comes back', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'shop', kill_timeout: 20_000, env: { HOW: 'stubborn' } });
  await pm2.cli('save');
  const shop = supervisePm2(t, pm2, 'shop');
  const [slot] = await running(shop);
  const stubborn = await identify(slot!.pid);
  await pm2.report(stubborn.pid); // by then it is deaf

  const restart = t.rejects(shop.restart('0', stopFirst({ stopTimeoutMs: 5000, signal })), { code: 'SUPERVISOR_UNREACHABLE' });
  await until('PM2 to stop the app', async () => (await shop.slots())[0]!.state === 'stopped');
  await pm2.killDaemon();
  await restart;
  t.ok(await lives(stubborn), 'nobody would start it again, so it is not killed');
  await t.rejects(shop.slots(), { code: 'SUPERVISOR_UNREACHABLE', message: /is its daemon running as this user\?/ });
  await t.rejects(shop.restart('0', stopFirst({ stopTimeoutMs: 100, signal })), { code: 'SUPERVISOR_UNREACHABLE' });

  await pm2.cli('resurrect');
  const [back] = await running(shop);
  t.equal(back!.worker, '0');
  t.not(back!.pid, stubborn.pid);
  t.equal((await shop.restart('0', stopFirst({ stopTimeoutMs: 5000, signal }))).stop, 'exited');
});
