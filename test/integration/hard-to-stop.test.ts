/**
 * Apps that do not go, and apps that do not come: what is left, and what the record says. (A frozen app whose SIGTERM
 * handler can never run is in freeze.test.ts.)
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isAlive, mustIdentify, processes } from '../observe/support.js';
import { freePort } from '../parts/prometheus.js';
import { CHILD_APP, childOf, reportFolder, reportOf, runningIn } from '../supervisors/child-support.js';
import { slowService, startsIn } from './slow-service.js';
import { never, waitFor } from './wait.js';
import { WardenProcess } from './warden-process.js';

t.setTimeout(300_000);

t.test('the whole tree goes, and the port is free for the next', async (t) => {
  // As `npm start` and a server below it; the server ignores SIGTERM.
  for (const how of ['wrapper', 'ignores', 'detaches']) {
    const folder = await reportFolder(t);
    const port = await freePort();
    const env = `{ HOW: ${how}, CHILD_HOW: stubborn, REPORT_DIR: ${folder}, PORT: "${port}" }`;
    const warden = await WardenProcess.start(t, {
      config: `
apps:
  - name: next
    supervisor: { child: { command: [${JSON.stringify(process.execPath)}, ${JSON.stringify(CHILD_APP)}], env: ${env} } }
    runtime: none
    restart: { mode: stop_first, startup_grace: 0s, cooldown: 1h, stop_timeout: 1s,
               ready: { http: "http://127.0.0.1:${port}/", timeout: 20s } }
`,
    });
    await warden.ready();
    const serving = () => fetch(`http://127.0.0.1:${port}/`).then(async (response) => Number(await response.text()), () => null);
    const server = await mustIdentify(await waitFor('the server', serving));
    const root = await mustIdentify((await warden.pid('next'))!);
    t.equal((await reportOf(folder, server.pid)).ppid, root.pid, 'the server is not the process that is supervised');

    t.equal((await warden.post('/api/v1/apps/next/restart', {})).status, 202);
    const { outcome } = await warden.finishedRestart(40_000);
    t.match(outcome, { result: 'recovered', stop: 'killed', sentence: /\(the old process had to be killed\)/ }, how);
    t.notOk(await isAlive(root));
    t.notOk(await isAlive(server), 'no orphan');
    const next = (await warden.pid('next'))!;
    const child = await childOf(folder, next);
    t.equal(await serving(), child.pid, 'the new server has the port');
    t.strictSame((await runningIn(folder)).map(({ pid }) => pid).toSorted((a, b) => a - b), [next, child.pid].toSorted((a, b) => a - b));
    t.equal(await warden.stop(), 0);
    t.strictSame(await runningIn(folder), [], 'and after the stop nobody is left');
  }
});

t.test('the new process exits at once', async (t) => {
  const folder = await reportFolder(t);
  const warden = await WardenProcess.start(t, {
    config: `
apps:
  - name: broken
    supervisor: ${slowService(folder)}
    runtime: none
    restart: { mode: stop_first, startup_grace: 0s, cooldown: 1h, budget: 5/1h, stop_timeout: 2s }
`,
  });
  await warden.ready();
  await waitFor('the app', () => startsIn(folder).length === 1);
  const old = await mustIdentify((await warden.pid('broken'))!);
  writeFileSync(join(folder, 'broken'), '');
  t.equal((await warden.post('/api/v1/apps/broken/restart', {})).status, 202);
  const { outcome } = await warden.finishedRestart(60_000);
  t.match(outcome, { result: 'not_ready', stop: 'exited' });
  t.match(outcome!.sentence, /no process runs in its place|the new process \(pid \d+\) was not ready/);
  t.notOk(await isAlive(old), 'it had to go first');
  t.ok(startsIn(folder).length > 2, 'its supervisor has tried it again and again');
  t.match(warden.log, /broken\/0 exited with code 3 after/);
  t.equal(await warden.metric('heapwarden_restarts_total', { app: 'broken', reason: 'manual', result: 'not_ready' }), 1);
  // The outcome is told a moment before it is on disk, and until then the worker is busy.
  const answer = await waitFor('it to be over', async () => {
    const now = await warden.post('/api/v1/apps/broken/restart', {});
    return JSON.stringify(now).includes('"in_progress"') ? null : now;
  });
  const refused = { status: 409, body: { decisions: [{ action: 'refuse', reason: 'cooldown' }] } };
  t.match(answer, refused, 'one more restart would not mend it');

  rmSync(join(folder, 'broken'));
  t.equal((await warden.post('/api/v1/apps/broken/restart', { force: true })).status, 202);
  await waitFor('the mended app', async () => (await warden.restarts())[0]?.outcome?.result === 'recovered', 60_000);
  t.equal(await warden.metric('heapwarden_process_up', { app: 'broken' }), 1);
});

t.test('ready never comes: the next automatic restart waits for the cooldown', async (t) => {
  const folder = await reportFolder(t);
  const nobody = await freePort();
  const warden = await WardenProcess.start(t, {
    config: `
sample_interval: 300ms
apps:
  - name: mute
    supervisor: ${slowService(folder)}
    runtime: none
    limits: { rss: { restart: 1MB, for: 0s } }
    restart: { mode: stop_first, startup_grace: 0s, cooldown: 10s, budget: 10/1h, stop_timeout: 2s,
               ready: { http: "http://127.0.0.1:${nobody}/", timeout: 2s } }
`,
  });
  await warden.ready();
  const first = await warden.finishedRestart();
  t.match(first.outcome, { result: 'not_ready', sentence: /the new process \(pid \d+\) was not ready [\d.]+ s after the restart was decided/ });
  t.equal(await processes.identify(first.before!.pid), null, 'the old one has gone');
  t.equal(first.outcome!.after!.pid, await warden.pid('mute'), 'the new one is left running: it may only be slow');
  await waitFor('a refusal', async () => (await warden.incidents()).find(({ reason }) => reason === 'cooldown'));
  const second = await waitFor('the next one', async () => (await warden.restarts()).find(({ id }) => id !== first.id), 30_000);
  const apart = second.timestamp_seconds - first.timestamp_seconds;
  t.ok(apart >= 10, `${apart} s after the first`);
  await waitFor('its outcome', async () => (await warden.restarts())[0]?.outcome?.result === 'not_ready');
  await never('a third comes early', async () => (await warden.restarts()).length > 2, 3000);
  t.equal(await warden.metric('heapwarden_restarts_total', { app: 'mute', reason: 'rss', result: 'not_ready' }), 2);
});
