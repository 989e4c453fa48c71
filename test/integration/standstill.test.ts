/** An app that is silent and has not frozen, as real processes; and that a freeze still is one. */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Debugger } from './debugger.js';
import {
  LIMIT_MS,
  LONG_MS,
  freeze,
  hasRestarted,
  heartbeatAge,
  mustFindFreeze,
  standstill,
  start,
} from './freezing.js';
import { never, waitFor } from './wait.js';
import type { WardenProcess } from './warden-process.js';

/** Longer than from one beat to the next. */
const BEAT_MS = 1500;

const askForFreeze = (warden: WardenProcess) => warden.post('/api/v1/apps/shop/restart', { reason: 'freeze' });

t.test('an app that is stopped by SIGSTOP', async (t) => {
  const scene = await start(t);
  const { warden, pid } = scene;
  process.kill(pid, 'SIGSTOP');
  await never('the stopped app is restarted', () => hasRestarted(warden), LONG_MS);
  t.equal(await standstill(warden), 'stopped');
  t.ok((await heartbeatAge(warden)) > LIMIT_MS / 1000, 'it answers nobody, and the metric does not hide it');
  const why = /but the process is stopped by a signal \(state T; SIGCONT lets it go on\)/;
  t.match(warden.log, /shop\/0: its event loop does not turn, but the process is stopped .*it does not count as frozen/);
  t.match(JSON.stringify(await askForFreeze(warden)), why, 'whoever asks is told why not');
  t.match((await warden.incidents())[0], { action: 'refuse', reason: 'not_breaching', sentence: why });

  process.kill(pid, 'SIGCONT');
  await never('the app is restarted after SIGCONT', () => hasRestarted(warden), LIMIT_MS + 1000);
  t.ok((await heartbeatAge(warden)) < 10, 'from after SIGCONT');
  t.equal(await standstill(warden), null);
  t.equal(await warden.pid('shop'), pid);
  await mustFindFreeze(t, scene);
});

t.test('an app that has frozen when SIGCONT lets it go on', async (t) => {
  const { warden, pid } = await start(t);
  freeze(pid);
  process.kill(pid, 'SIGSTOP');
  await never('the stopped app is restarted', () => hasRestarted(warden), LONG_MS);
  process.kill(pid, 'SIGCONT');
  const goesOn = performance.now();
  t.match(await warden.finishedRestart(40_000), { asked: 'freeze', before: { pid } });
  const tookMs = performance.now() - goesOn;
  t.ok(tookMs > LIMIT_MS, `restarted ${tookMs} ms later: its silence counts from there`);
});

t.test('an app that a debugger holds', async (t) => {
  const { warden, pid } = await start(t, { args: ['--inspect=127.0.0.1:0'] });
  const url = await waitFor('the inspector', () => /ws:\/\/127\.0\.0\.1:\d+\/[0-9a-f-]+/.exec(warden.log)?.[0]);
  await sleep(BEAT_MS); // a beat has told of it
  const inspector = await Debugger.attach(url);
  t.teardown(() => inspector.detach());
  await inspector.send('Debugger.enable');
  await inspector.send('Debugger.pause');
  // It pauses where JavaScript runs next, which is in the agent's own timer.
  await inspector.heard('"Debugger.paused"');
  await never('the paused app is restarted', () => hasRestarted(warden), LONG_MS);
  t.equal(await standstill(warden), 'debugged');
  t.match(JSON.stringify(await askForFreeze(warden)), /not_breaching.*but a debugger is attached to its inspector/);
  await inspector.send('Debugger.resume');
  await waitFor('a heartbeat', async () => (await heartbeatAge(warden)) < 2);
  t.equal(await warden.pid('shop'), pid);

  freeze(pid);
  await never('an app is restarted that somebody looks into', () => hasRestarted(warden), LONG_MS);
  inspector.detach();
  const detachedAt = performance.now();
  t.match(await warden.finishedRestart(40_000), { asked: 'freeze', before: { pid }, outcome: { stop: 'killed' } });
  const tookMs = performance.now() - detachedAt;
  t.ok(tookMs > LIMIT_MS, `restarted ${tookMs} ms after it was let go`);
});

t.test('an open inspector alone excuses nothing', async (t) => {
  const scene = await start(t, { args: ['--inspect=127.0.0.1:0'] });
  await sleep(BEAT_MS);
  await mustFindFreeze(t, scene);
});
