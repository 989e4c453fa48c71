/** The supervisor against a real PM2 whose daemon dies or freezes, or whose app cannot be started any more. */
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { HeapwardenError } from '../../src/errors.js';
import type { RestartOptions } from '../../src/supervisors/contract.js';
import { needParts } from '../parts/index.js';
import { identify, lives, PM2_APP, realPm2, running, supervisePm2, until, type Pm2 } from '../parts/pm2.js';
import { memoryLog, stopFirst } from './options.js';

const signal = new AbortController().signal;
const unreachable = { code: 'SUPERVISOR_UNREACHABLE' };
const graceful = (isReady: RestartOptions['isReady'] = async () => true): RestartOptions => ({
  mode: 'graceful', stopTimeoutMs: 2000, signal, isReady,
});

const restarts = async (pm2: Pm2, name: string) => (await pm2.list(name)).map(({ pm2_env: env }) => env['restart_time']);

/** Freezes the daemon; the returned function thaws it, as the test's end does. */
function freeze(t: Test, pm2: Pm2): () => void {
  const pid = pm2.daemonPid();
  process.kill(pid, 'SIGSTOP');
  let frozen = true;
  const thaw = () => {
    if (frozen) process.kill(pid, 'SIGCONT');
    frozen = false;
  };
  t.teardown(thaw);
  return thaw;
}

t.test('the daemon dies in a graceful restart, and is brought back', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'shop', exec_mode: 'cluster', instances: 2, listen_timeout: 300 });
  await pm2.cli('save');

  for (const phase of ['while the stand-in comes up', 'while the new process comes up']) {
    const shop = supervisePm2(t, pm2, 'shop');
    const before = await running(shop);
    let toBeReady = phase === 'while the stand-in comes up' ? 0 : 1;
    const isReady = async () => {
      if (toBeReady-- === 0) await pm2.killDaemon();
      return true;
    };
    // PM2's processes end a moment after the daemon: whichever is noticed first.
    const outcome = await shop.restart('0', graceful(isReady)).then(({ ready }) => ready, (error: unknown) => error);
    const fails = outcome === false || (outcome instanceof HeapwardenError && /UNREACHABLE|NOT_READY/.test(outcome.code));
    t.ok(fails, `${phase}: no restart is believed to be done (${String(outcome)})`);
    await t.rejects(shop.slots(), unreachable, `${phase}: PM2 is gone`);
    await pm2.cli('resurrect');
    const after = await running(shop);
    t.strictSame(after.map(({ worker }) => worker), ['0', '1'], `${phase}: the slots are found again`);
    t.notOk(after.some(({ pid }) => before.some((old) => old.pid === pid)));
    t.strictSame((await restarts(pm2, 'shop')).length, 2, `${phase}: no stand-in is left`);
    t.equal((await shop.restart('1', stopFirst({ stopTimeoutMs: 2000, signal }))).stop, 'exited');
    await pm2.cli('save');
  }
});

t.test('a frozen daemon', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'shop', exec_mode: 'cluster', instances: 2, listen_timeout: 300 });
  const shop = supervisePm2(t, pm2, 'shop', { timeoutMs: 500 });
  const before = await running(shop);
  const thaw = freeze(t, pm2);
  const silent = { ...unreachable, message: /\(no answer within 0\.5 s\)/ };
  await t.rejects(shop.slots(), silent);
  await t.rejects(shop.restart('0', stopFirst({ stopTimeoutMs: 100, signal })), silent);
  await t.rejects(shop.restart('0', graceful()), silent);
  thaw();
  t.strictSame(await until('PM2 to answer', () => running(shop).catch(() => null)), before, 'all is as before');
  t.strictSame(await restarts(pm2, 'shop'), [0, 0], 'nothing was restarted, then or later');
});

t.test('a daemon that freezes in the middle of a restart', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'shop', kill_timeout: 20_000, env: { HOW: 'stubborn' } });
  const log = memoryLog();
  const shop = supervisePm2(t, pm2, 'shop', { timeoutMs: 1000, log });
  const stubborn = await identify((await running(shop))[0]!.pid);
  await pm2.report(stubborn.pid); // by then it is deaf
  const message = /no answer within .* \(it was asked to restart "shop" before that, and may still do so/;
  const restart = t.rejects(shop.restart('0', stopFirst({ stopTimeoutMs: 2000, signal })), { ...unreachable, message });
  await until('PM2 to stop the app', async () => (await shop.slots())[0]!.state === 'stopped');
  const thaw = freeze(t, pm2);
  await restart;
  t.match(log.warnings, [/has outlived stop_timeout, and is not killed now: PM2 does not answer/]);
  t.ok(await lives(stubborn), 'nobody would start it again, so it is not killed');
  thaw();
  process.kill(stubborn.pid, 'SIGKILL');
  const after = await until('PM2 to finish', () => running(shop).catch(() => null));
  t.not(after[0]!.pid, stubborn.pid);
  t.strictSame(await restarts(pm2, 'shop'), [1], 'once');
});

t.test('a daemon that freezes while a stand-in is there', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'shop', exec_mode: 'cluster', instances: 1, listen_timeout: 300 });
  const log = memoryLog();
  let thaw = () => {};
  const drain = async () => ((thaw = freeze(t, pm2)), { complete: true, deaf: true });
  const shop = supervisePm2(t, pm2, 'shop', { timeoutMs: 1000, log, drain });
  await t.rejects(shop.restart('0', graceful()), unreachable);
  t.match(log.warnings.slice(-1), [/a restart was cut short; the stand-in for "shop" \(pm_id 1\) stays until "shop" is back/]);
  thaw();
  const left = await until('PM2 to answer', () => pm2.list('shop').catch(() => null));
  t.equal(left.length, 2, 'the stand-in serves: the old one had been drained');
  t.equal((await running(shop)).length, 1, 'and has no slot');
});

t.test('an app whose script has gone', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  const script = join(pm2.home, 'app.cjs');
  await copyFile(PM2_APP, script);
  await pm2.start({ name: 'shop', script, exec_mode: 'cluster', instances: 1, max_restarts: 2, min_uptime: 60_000 });
  const shop = supervisePm2(t, pm2, 'shop');
  const before = await running(shop);
  await pm2.report(before[0]!.pid); // by then it is loaded
  await rm(script);
  const message = /a new process of "shop" did not come up: it ended.*; the old one \(pm_id 0\) was left in place/;
  await t.rejects(shop.restart('0', graceful()), { code: 'NOT_READY', message });
  t.strictSame(await running(shop), before);
  t.strictSame(await restarts(pm2, 'shop'), [0]);

  const report = await shop.restart('0', stopFirst({ stopTimeoutMs: 2000, signal }));
  t.match(report, { stop: 'exited', ready: null }, 'PM2 says it has started it; that it ends is seen after');
  await until('PM2 to give up', async () => (await shop.slots())[0]!.state === 'crash_loop');
  t.strictSame(await shop.slots(), [{ worker: '0', pid: null, state: 'crash_loop' }]);
});

t.test('the new process exits at once, in fork mode', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const pm2 = await realPm2(t, parts.pm2);
  await pm2.start({ name: 'shop', wait_ready: true, listen_timeout: 60_000, autorestart: false, env: { HOW: 'exits' } });
  const shop = supervisePm2(t, pm2, 'shop', { readyMessageMs: () => 1000 });
  await until('it to end', async () => (await shop.slots())[0]!.state === 'stopped');
  const begun = performance.now();
  const report = await shop.restart('0', stopFirst({ stopTimeoutMs: 2000, signal }));
  t.match(report, { stop: 'gone', ready: false });
  t.ok(performance.now() - begun < 30_000, 'without waiting for a `ready` that cannot come any more');
});
