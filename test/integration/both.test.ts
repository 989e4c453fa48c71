/**
 * `trigger: both` with a real Prometheus and a real Alertmanager, each of them stopped in turn. Rules and configs are
 * the shipped ones with shorter times.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { needParts } from '../parts/index.js';
import {
  freePort,
  startAlertmanager,
  startPrometheus,
  type Alertmanager,
  type Prometheus,
} from '../parts/prometheus.js';
import { edit } from './edit.js';
import { never, waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const HOLD_S = 4;
/** Where an alert is to come it has long, for this machine may be busy; where none can, nobody waits for it. */
const FALLBACK_S = { patient: 60, short: 6 };

interface Setup {
  fallbackSeconds: number;
  apps: App[];
  /** Texts of alertmanager.yml that are to be others, beside ports and times. */
  alertmanager?: (ports: { warden: number; closed: number }) => Record<string, string>;
}

interface Fixture {
  dir: string;
  warden: WardenProcess;
  prometheus: Prometheus;
  alertmanager: Alertmanager;
  /** Makes the app named leak. */
  leak(app: string): void;
}

interface App {
  name: string;
  instances?: number;
  env?: string;
  /** More of its `restart`. */
  restart?: string;
}

const appYml = (dir: string, { name, instances = 1, env = '', restart = '' }: App) => `
  - name: ${name}
    supervisor:
      child:
        command: ${JSON.stringify([process.execPath, appFile('leaks-on-word.mjs')])}
        instances: ${instances}
        env: { LEAK_WHEN: ${JSON.stringify(join(dir, name))}, ${env} }
    limits: { rss: { restart: 130MB, for: ${HOLD_S}s } }
    restart: { startup_grace: 0s, cooldown: 0s, budget: 100/1h, ${restart} }
`;

const heapwardenYml = (dir: string, { fallbackSeconds, apps }: Setup) => `
trigger: both
fallback_after: ${fallbackSeconds}s
sample_interval: 500ms
auth: { token_file: deploy/token }
apps: ${apps.map((app) => appYml(dir, app)).join('')}`;

/** One at a time: ten programs that start at once take this machine longer than any of them may. */
let started: Promise<unknown> = Promise.resolve();

function startAll(t: Test, setup: Setup): Promise<Fixture> {
  const fixture = started.then(() => startHere(t, setup));
  started = fixture.catch(() => {});
  return fixture;
}

/** All three, on ports of their own; resolves when Prometheus has seen every app. */
async function startHere(t: Test, setup: Setup): Promise<Fixture> {
  const dir = mkdtempSync(join(tmpdir(), 'hw-both-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, 'deploy'));
  for (const file of ['deploy/prometheus.yml', 'deploy/alertmanager.yml', 'rules']) {
    cpSync(join(root, file), join(dir, file), { recursive: true });
  }
  const ports = { warden: await freePort(), alertmanager: await freePort(), closed: await freePort() };
  const [prometheusYml, alertmanagerYml] = [join(dir, 'deploy/prometheus.yml'), join(dir, 'deploy/alertmanager.yml')];
  edit(join(dir, 'rules/heapwarden.rules.yml'), { 'for: 30s': `for: ${HOLD_S}s` });
  edit(prometheusYml, {
    'scrape_interval: 5s': 'scrape_interval: 1s',
    'evaluation_interval: 5s': 'evaluation_interval: 1s',
    '127.0.0.1:9973': `127.0.0.1:${ports.warden}`,
    '127.0.0.1:9093': `127.0.0.1:${ports.alertmanager}`,
  });
  edit(alertmanagerYml, { '127.0.0.1:9973': `127.0.0.1:${ports.warden}`, 'group_interval: 5s': 'group_interval: 1s' });
  if (setup.alertmanager) edit(alertmanagerYml, setup.alertmanager(ports));

  const warden = await WardenProcess.start(t, { dir, port: ports.warden, config: heapwardenYml(dir, setup) });
  await warden.ready();
  const alertmanager = await startAlertmanager({ configFile: alertmanagerYml, dir, port: ports.alertmanager });
  t.teardown(() => stop(alertmanager));
  const prometheus = await startPrometheus({ configFile: prometheusYml, dir, port: await freePort() });
  t.teardown(() => stop(prometheus));
  const seen = async () => (await prometheus.query('heapwarden_process_resident_memory_bytes')).length;
  const expected = (await warden.apps()).flatMap(({ workers }) => workers).length;
  await waitFor('Prometheus to have seen the apps', async () => (await seen()) === expected, 60_000);
  return { dir, warden, prometheus, alertmanager, leak: (name) => writeFileSync(join(dir, name), '') };
}

/** One that stands still does not hear SIGTERM. */
async function stop(server: Prometheus | Alertmanager): Promise<void> {
  if (existsSync(`/proc/${server.pid}`)) process.kill(server.pid, 'SIGCONT');
  await server.stop();
}

async function startOne(t: Test, fallbackSeconds: number, more: Pick<Setup, 'alertmanager'> = {}): Promise<Fixture> {
  return startAll(t, { fallbackSeconds, apps: [{ name: 'leaky' }], ...more });
}

/** It leaks; the guard restarts it, not before its time, and nobody restarts it again. */
async function guardStepsIn(t: Test, { warden, leak }: Fixture, meanwhile = async () => {}): Promise<void> {
  const before = await warden.pid('leaky');
  const from = Date.now() / 1000;
  leak('leaky');
  await meanwhile();
  const restart = await warden.finishedRestart(60_000);
  t.match(restart, { origin: 'guard', reason: 'rss', alert: null });
  t.match(restart, { outcome: { result: 'recovered' }, before: { pid: before } });
  const waited = restart.timestamp_seconds - from;
  t.ok(waited >= HOLD_S + FALLBACK_S.short, `it had waited ${waited} s for an alert`);
}

async function restartedOnce(t: Test, warden: WardenProcess): Promise<void> {
  const pid = await warden.pid('leaky');
  const longEnoughMs = (HOLD_S + FALLBACK_S.short + 2) * 1000;
  await never('it is restarted again', async () => (await warden.restarts()).length > 1, longEnoughMs);
  t.equal((await warden.restarts()).length, 1);
  t.equal(await warden.pid('leaky'), pid, 'the process is still the same');
}

/** Whether the limit's alert is in this state. */
async function isAlert(wanted: 'pending' | 'firing', prometheus: Prometheus): Promise<boolean> {
  const alerts = await prometheus.alerts();
  return alerts.some(({ labels, state }) => labels['alertname'] === 'HeapwardenMemoryLimit' && state === wanted);
}

const decided = (warden: WardenProcess, decision: string) =>
  warden.metric('heapwarden_alerts_received_total', { decision });

const scenario = (name: string, run: (t: Test) => Promise<void>) =>
  t.test(name, { buffered: true, timeout: 170_000 }, async (t) => {
    if (needParts(t, 'prometheus', 'prometheus-alertmanager')) await run(t);
  });

// Most of the time they wait.
t.jobs = 5;

scenario('an alert that is resolved cancels the restart that waits for it, in its jitter or its queue', async (t) => {
  const setup = {
    fallbackSeconds: FALLBACK_S.patient,
    apps: [
      // A day, so that no luck of the draw lets it be over before the alert is.
      { name: 'jittery', restart: 'jitter: 1d' },
      // One of the two is at work for 20 s, and the other waits for it.
      { name: 'queued', instances: 2, restart: 'stop_timeout: 20s, min_available: 0', env: 'STUBBORN: "1"' },
    ],
  };
  const { dir, warden, leak } = await startAll(t, setup);
  leak('jittery');
  leak('queued');
  await waitFor('the first to leak', () => !existsSync(join(dir, 'queued')));
  leak('queued');
  await waitFor('three restarts to be decided', async () => (await warden.restarts()).length === 3, 60_000);
  const asked = (await warden.restarts()).map(({ origin, outcome }) => [origin, outcome]);
  t.strictSame(asked, Array.from({ length: 3 }, () => ['alertmanager', null]));
  // Decided is not begun: until then it is measured against the limits that are to come.
  await waitFor('the first of the queue to begin', () => /queued\/\d: evidence in/.test(warden.log));

  // All three are below a limit like this, so their alerts are over.
  WardenProcess.writeConfig(warden.dir, heapwardenYml(dir, setup).replaceAll('130MB', '1GB'));
  const token = readFileSync(join(dir, 'deploy/token'), 'utf8').trim();
  t.equal((await warden.post('/-/reload', undefined, token)).status, 200);
  await waitFor('the alerts to resolve', async () => (await decided(warden, 'resolved')) === 3, 30_000);
  await waitFor('every outcome', async () => (await warden.restarts()).every(({ outcome }) => outcome), 60_000);
  const outcomes = (await warden.restarts()).map(({ app, outcome }) => `${app}: ${outcome!.result}`).toSorted();
  t.strictSame(outcomes, ['jittery: cancelled', 'queued: cancelled', 'queued: recovered']);
  for (const { outcome } of await warden.restarts()) {
    if (outcome!.result === 'recovered') continue;
    t.match(outcome!.sentence, /: nothing was done, for its alert was resolved while it waited$/);
  }
  t.equal(await warden.metric('heapwarden_restarts_total', { app: 'jittery', reason: 'rss', result: 'cancelled' }), 1);
});

scenario('all up: Alertmanager leads', async (t) => {
  const { warden, leak } = await startOne(t, FALLBACK_S.patient);
  const before = await warden.pid('leaky');
  leak('leaky');
  const restart = await warden.finishedRestart(60_000);
  t.match(restart, { origin: 'alertmanager', reason: 'rss' });
  t.match(restart, { outcome: { result: 'recovered' }, before: { pid: before } });
  t.ok(restart.alert, 'the record names the alert');
  await waitFor('the alert to resolve', async () => (await decided(warden, 'resolved')) === 1, 60_000);
  await restartedOnce(t, warden);
});

scenario('Prometheus is down: the guard steps in', async (t) => {
  const fixture = await startOne(t, FALLBACK_S.short);
  await fixture.prometheus.stop();
  await guardStepsIn(t, fixture);
  await restartedOnce(t, fixture.warden);
});

scenario('Prometheus hangs while the alert is pending: the guard steps in, and it may come back', async (t) => {
  const fixture = await startOne(t, FALLBACK_S.short);
  const { prometheus, warden } = fixture;
  await guardStepsIn(t, fixture, async () => {
    await waitFor('the alert to be pending', () => isAlert('pending', prometheus), 30_000);
    process.kill(prometheus.pid, 'SIGSTOP');
  });
  process.kill(prometheus.pid, 'SIGCONT'); // it may go by what it knew of the old process
  await restartedOnce(t, warden);
});

scenario('Alertmanager is down: the guard steps in', async (t) => {
  const fixture = await startOne(t, FALLBACK_S.short);
  await fixture.alertmanager.stop();
  await guardStepsIn(t, fixture);
  await restartedOnce(t, fixture.warden);
});

scenario('Alertmanager hangs, and comes to itself just when the guard acts: its alert is refused', async (t) => {
  const fixture = await startOne(t, FALLBACK_S.short);
  const { warden, alertmanager, prometheus } = fixture;
  await guardStepsIn(t, fixture, async () => {
    process.kill(alertmanager.pid, 'SIGSTOP');
    await waitFor('the alert to fire', () => isAlert('firing', prometheus), 30_000);
    await waitFor('the guard to act', async () => (await warden.restarts()).length > 0, 30_000);
    process.kill(alertmanager.pid, 'SIGCONT'); // what Prometheus has sent lies in its socket
  });
  const decision = await waitFor(
    'the alert to be answered',
    async () => {
      const refusals = ['in_progress', 'already_restarted', 'duplicate', 'not_breaching', 'restart'];
      const counts = await Promise.all(refusals.map((refusal) => decided(warden, refusal)));
      return refusals.find((_, i) => counts[i]! > 0);
    },
    60_000,
  );
  t.match(decision, /^(in_progress|already_restarted)$/);
  await restartedOnce(t, warden);
});

scenario('Alertmanager has the wrong token: the guard steps in', async (t) => {
  const fixture = await startOne(t, FALLBACK_S.short, {
    alertmanager: () => ({ 'credentials_file: token': 'credentials: not-the-token' }),
  });
  await guardStepsIn(t, fixture);
  await waitFor('Alertmanager to complain', () => fixture.alertmanager.log().includes('401'), 30_000);
  await restartedOnce(t, fixture.warden);
});

scenario('Alertmanager calls a port where nobody listens: the guard steps in', async (t) => {
  const fixture = await startOne(t, FALLBACK_S.short, {
    alertmanager: ({ warden, closed }) => ({ [`127.0.0.1:${warden}`]: `127.0.0.1:${closed}` }),
  });
  await guardStepsIn(t, fixture);
  await waitFor('Alertmanager to complain', () => fixture.alertmanager.log().includes('connection refused'), 30_000);
  await restartedOnce(t, fixture.warden);
});
