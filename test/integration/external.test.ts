/** The real program beside apps that a shell runs. */
import t from 'tap';
import { runner } from '../supervisors/external-support.js';
import { waitFor } from './wait.js';
import { WardenProcess } from './warden-process.js';

const restartNow = (app: string) => [`/api/v1/apps/${app}/restart`, { force: true }] as const;

t.test('a restart by a command is in the incident; two apps of one process are an error', { timeout: 170_000 }, async (t) => {
  const app = await runner(t);
  const command = `["sh", "-c", "echo restarting $HEAPWARDEN_APP $SECRET; kill $HEAPWARDEN_PID"]`;
  const warden = await WardenProcess.start(t, {
    env: { SECRET: 'hush' },
    config: `sample_interval: 300ms
defaults: { runtime: none, restart: { stop_timeout: 10s } }
apps:
  - name: shop
    supervisor: { external: { match: '${app.match}', restart: ${command} } }
  - name: web
    supervisor: { external: { pid_file: ${app.folder}/app.pid, restart: { signal: SIGTERM } } }
  - name: broken
    supervisor: { external: { pid_file: ${app.folder}/broken.pid, restart: [sh, -c, "echo cannot; exit 4"] } }
`,
  });
  await warden.ready();
  const pid = await waitFor('its pid', () => warden.pid('shop'));
  const success = (name: string) => warden.metric('heapwarden_collector_success', { collector: `supervisor/${name}` });
  await waitFor('the conflict', async () => (await success('web')) === 0);
  t.equal(await success('shop'), 1);
  t.match(warden.log, new RegExp(`web: process ${pid} would be two apps' at once: apps "shop" \\(external\\) and "web" \\(external\\)`));

  t.equal((await warden.post(...restartNow('web'))).status, 202);
  t.match(await warden.finishedRestart(), { app: 'web', outcome: { result: 'failed', sentence: /two apps' at once.*"shop"/, command: null } });
  t.equal(await warden.pid('shop'), pid, 'nobody was touched');

  await warden.post(...restartNow('shop'));
  const shop = await waitFor('its restart', async () => (await warden.restarts()).find((found) => found.app === 'shop' && found.outcome));
  t.match(shop.outcome, {
    result: 'recovered',
    stop: 'exited',
    command: { exit_status: 0, signal: null, timed_out: false, duration_seconds: Number, output: 'restarting shop' },
  });
  t.not(shop.outcome!.after!.pid, pid);

  await warden.post(...restartNow('broken'));
  const broken = await waitFor('its restart', async () => (await warden.restarts()).find((found) => found.app === 'broken' && found.outcome));
  t.match(broken.outcome, {
    result: 'failed',
    sentence: 'broken/0: the restart failed: its restart command ended with status 4: cannot',
    command: { exit_status: 4, output: 'cannot' },
  });
});
