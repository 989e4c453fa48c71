/** An app in `while(true)` is found by its heartbeat, and restarted though its SIGTERM handler can never run. */
import t from 'tap';
import { freeze, untilTurning } from './freezing.js';
import { waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

t.test('a frozen event loop is found and its process replaced', async (t) => {
  const warden = await WardenProcess.start(t, {
    config: `
sample_interval: 500ms
apps:
  - name: frozen
    supervisor: { child: { command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(appFile('freezes.mjs'))}], env: { FREEZE_AFTER_MS: "100000000" } } }
    limits: { freeze: { warning: 2s, critical: 3s, restart: 5s } }
    restart: { startup_grace: 1s, stop_timeout: 2s, cooldown: 1m }
`,
  });
  await warden.ready();
  const beat = () => warden.metric('heapwarden_nodejs_eventloop_heartbeat_timestamp_seconds', { app: 'frozen', worker: '0' });
  await waitFor('the agent', async () => (await warden.metric('heapwarden_agent_up', { app: 'frozen' })) === 1);
  const heartbeat = await waitFor('a heartbeat', beat);
  const age = Date.now() / 1000 - heartbeat;
  t.ok(age < 15, `it turned ${age.toFixed(1)} s ago`);
  t.equal((await warden.restarts()).length, 0, 'nothing is restarted while it turns');

  await untilTurning(warden, 'frozen');
  freeze((await warden.pid('frozen'))!);
  const incident = await warden.finishedRestart(40_000);
  t.match(incident, { reason: 'freeze', origin: 'guard', outcome: { result: 'recovered', stop: 'killed' } });
  t.ok(incident.timestamp_seconds - incident.before!.heartbeat_timestamp_seconds! >= 5, 'it had not turned for the limit');
  t.match(warden.log, /frozen\/0: time without an event-loop turn [\d.]+ s, at or above its restart limit of 5\.0 s/);
  t.match(warden.log, /the old process had to be killed/);
});

t.test('so is one behind `npm start`, whose own loop turns on', async (t) => {
  const start = `${JSON.stringify(process.execPath)} ${JSON.stringify(appFile('freezes.mjs'))}`;
  const cwd = t.testdir({ 'package.json': JSON.stringify({ name: 'wrapped', scripts: { start } }) });
  const warden = await WardenProcess.start(t, {
    config: `
sample_interval: 500ms
apps:
  - name: wrapped
    supervisor: { child: { command: [npm, start], cwd: ${JSON.stringify(cwd)}, env: { FREEZE_AFTER_MS: "6000" } } }
    limits: { freeze: { restart: 8s } } # by when the stats of the frozen one are long out of date
    restart: { startup_grace: 1s, stop_timeout: 2s, cooldown: 1m }
`,
  });
  await warden.ready();
  const incident = await warden.finishedRestart(60_000);
  t.match(incident, { reason: 'freeze', origin: 'guard', outcome: { result: 'recovered' } });
  t.ok(incident.timestamp_seconds - incident.before!.heartbeat_timestamp_seconds! >= 8, 'it had not turned for the limit');
});

t.test('a healthy idle app never looks frozen, however long the sample interval', async (t) => {
  const warden = await WardenProcess.start(t, {
    config: `
sample_interval: 10s
apps:
  - name: idle
    supervisor: { child: { command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(appFile('leaks.mjs'))}], env: { LEAK_MB: "1" } } }
`,
  });
  await warden.ready();
  const beat = () => warden.metric('heapwarden_nodejs_eventloop_heartbeat_timestamp_seconds', { app: 'idle' });
  await waitFor('a heartbeat', beat, 40_000);
  let oldest = 0;
  for (const end = Date.now() + 12_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const askedAt = Date.now() / 1000;
    oldest = Math.max(oldest, askedAt - (await beat())!);
  }
  t.ok(oldest < 9, `the oldest heartbeat scraped was ${oldest.toFixed(1)} s old`);
});
