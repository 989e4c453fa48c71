/** The loop through a real Prometheus with the shipped rules and a real Alertmanager with the shipped config. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { needParts } from '../parts/index.js';
import { freePort, startAlertmanager, startPrometheus } from '../parts/prometheus.js';
import { edit } from './edit.js';
import { never, waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const command = JSON.stringify([process.execPath, appFile('leaks.mjs')]);

/** The shipped files in a folder of their own, as they are in the repository. */
function shippedFiles(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'hw-prom-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, 'deploy'));
  for (const file of ['deploy/prometheus.yml', 'deploy/alertmanager.yml', 'rules']) cpSync(join(root, file), join(dir, file), { recursive: true });
  return dir;
}

async function startAround(t: Test, dir: string, config: string, ports: { warden: number; alertmanager: number }) {
  const warden = await WardenProcess.start(t, { dir, port: ports.warden, config: `trigger: alertmanager\nauth: { token_file: deploy/token }\n${config}` });
  await warden.ready();
  const alertmanager = await startAlertmanager({ configFile: join(dir, 'deploy/alertmanager.yml'), dir, port: ports.alertmanager });
  t.teardown(() => alertmanager.stop());
  const prometheus = await startPrometheus({ configFile: join(dir, 'deploy/prometheus.yml'), dir, port: await freePort() });
  t.teardown(() => prometheus.stop());
  return { warden, alertmanager, prometheus };
}

t.jobs = 2;

t.test('shipped files, unedited: a leak is restarted once, and its alert resolves', { buffered: true }, async (t) => {
  const parts = needParts(t, 'prometheus', 'prometheus-alertmanager', 'promtool');
  if (!parts) return;
  const dir = shippedFiles(t);
  const { warden, alertmanager, prometheus } = await startAround(
    t,
    dir,
    `
sample_interval: 1s
apps:
  - name: leaky
    supervisor: { child: { command: ${command}, env: { LEAK_ONCE: ${JSON.stringify(join(dir, 'leaked'))}, LEAK_MB: "150", LEAK_MB_PER_SECOND: "50" } } }
    limits: { rss: { warning: 80MB, critical: 120MB, restart: 150MB } }
    restart: { startup_grace: 5s, cooldown: 10s }
`,
    { warden: 9973, alertmanager: 9093 },
  );
  const first = await warden.pid('leaky');
  const firing = await waitFor(
    'the limit alert to fire',
    async () => (await prometheus.alerts()).find(({ labels, state }) => labels['alertname'] === 'HeapwardenMemoryLimit' && state === 'firing'),
    90_000,
  );
  t.match(firing.labels, { app: 'leaky', worker: '0', action: 'restart', reason: 'rss', job: 'heapwarden', instance: '127.0.0.1:9973' });
  const incident = await warden.finishedRestart(30_000);
  t.match(incident, { origin: 'alertmanager', reason: 'rss', outcome: { result: 'recovered' }, before: { pid: first } });
  t.ok(incident.alert, 'the record names the alert');
  t.ok(incident.before!.start_time_seconds < incident.alert!.starts_at_seconds);

  await waitFor(
    'the alert to resolve in Prometheus',
    async () => !(await prometheus.alerts()).some(({ labels }) => labels['alertname'] === 'HeapwardenMemoryLimit'),
    60_000,
  );
  await waitFor('the resolved notice', () => warden.metric('heapwarden_alerts_received_total', { decision: 'resolved' }), 60_000);
  t.notOk((await alertmanager.alerts()).some(({ labels }) => labels['action'] === 'restart'), 'and in Alertmanager');

  // At least once, says Alertmanager: the same notice, once more.
  const { fingerprint, starts_at_seconds: startsAt } = incident.alert!;
  const labels = { app: 'leaky', worker: '0', action: 'restart', reason: 'rss' };
  const alert = { status: 'firing', labels, fingerprint, startsAt: new Date(startsAt * 1000).toISOString(), endsAt: '0001-01-01T00:00:00Z' };
  const token = readFileSync(join(dir, 'deploy/token'), 'utf8').trim();
  const again = await warden.post('/api/v1/alerts', { version: '4', alerts: [alert] }, token);
  t.match(again, { status: 202, body: { alerts: [{ decision: 'duplicate' }] } });
  await never('the app is restarted again', async () => (await warden.restarts()).length > 1, 5000);

  const checked = spawnSync(parts.promtool, ['check', 'metrics'], { input: await warden.metrics(), encoding: 'utf8' });
  t.match(checked, { status: 0, stdout: '', stderr: '' }, 'promtool check metrics is clean');
});

t.test('Alertmanager repeats itself every 10 s: the process is restarted once', { buffered: true }, async (t) => {
  if (!needParts(t, 'prometheus', 'prometheus-alertmanager')) return;
  const dir = shippedFiles(t);
  const ports = { warden: await freePort(), alertmanager: await freePort() };
  edit(join(dir, 'deploy/prometheus.yml'), { '127.0.0.1:9973': `127.0.0.1:${ports.warden}`, '127.0.0.1:9093': `127.0.0.1:${ports.alertmanager}` });
  edit(join(dir, 'deploy/alertmanager.yml'), { '127.0.0.1:9973': `127.0.0.1:${ports.warden}`, 'repeat_interval: 5m': 'repeat_interval: 10s' });
  const { warden } = await startAround(
    t,
    dir,
    `
sample_interval: 1s
apps:
  - name: big
    # Over its limit as soon as it runs, and after each restart: the alert never resolves.
    supervisor: { child: { command: ${command}, env: { LEAK_MB: "1" } } }
    limits: { rss: { restart: 10MB } }
    restart: { startup_grace: 1s, cooldown: 1s, budget: 100/1h }
`,
    ports,
  );
  await warden.finishedRestart(90_000);
  const restarted = await warden.pid('big');
  const repeated = () => warden.metric('heapwarden_alerts_received_total', { decision: 'duplicate' });
  await waitFor('Alertmanager to have repeated itself three times', async () => (await repeated())! >= 3, 90_000);
  const restarts = await warden.restarts();
  // A scrape in the moment without a process resolves the alert: the one that fires then is another.
  const alerts = new Set(restarts.map(({ alert }) => alert?.starts_at_seconds));
  t.equal(restarts.length, alerts.size, `one restart for each alert, of which there were ${alerts.size}`);
  if (alerts.size === 1) t.equal(await warden.pid('big'), restarted, 'the process is still the same');
  t.equal(await warden.metric('heapwarden_restarts_total', { app: 'big', reason: 'rss', result: 'ineffective' }), restarts.length);
});

t.test('amtool and promtool find nothing to complain about', async (t) => {
  const parts = needParts(t, 'promtool', 'amtool');
  if (!parts) return;
  const dir = shippedFiles(t);
  writeFileSync(join(dir, 'deploy/token'), 'secret');
  t.match(execFileSync(parts.promtool, ['check', 'config', join(dir, 'deploy/prometheus.yml')], { encoding: 'utf8' }), /SUCCESS/);
  t.match(execFileSync(parts.promtool, ['check', 'rules', join(dir, 'rules/heapwarden.rules.yml')], { encoding: 'utf8' }), /SUCCESS: \d+ rules found/);
  t.match(execFileSync(parts.amtool, ['check-config', join(dir, 'deploy/alertmanager.yml')], { encoding: 'utf8' }), /SUCCESS/);
});
