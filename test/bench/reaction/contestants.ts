/** The one app, under each of those that restart it for its memory. */
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { edit } from '../../integration/edit.js';
import { waitFor } from '../../integration/wait.js';
import { WardenProcess } from '../../integration/warden-process.js';
import { realPm2 } from '../../parts/pm2.js';
import { freePort, startAlertmanager, startPrometheus } from '../../parts/prometheus.js';
import type { PartName } from '../../parts/index.js';
import type { Scope } from '../scope.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const APP = fileURLToPath(new URL('app.cjs', import.meta.url));
const NAME = 'bench';
const LIMIT_MIB = 120;
const PATIENCE_MS = 60_000;

export interface Setup {
  scope: Scope;
  /** Of the app. */
  port: number;
  /** What the app is to be started with. */
  env: Readonly<Record<string, string>>;
  pm2Program: string | null;
}

export interface Contestant {
  name: string;
  /** How long one look and what follows it may take: a crossing is met in every phase of it. */
  periodMs: number;
  needs: readonly PartName[];
  /** Resolves to what is to be waited for between two crossings. */
  start(setup: Setup): Promise<() => Promise<void>>;
}

export const LIMIT_BYTES = LIMIT_MIB * 2 ** 20;

const nothing = async (): Promise<void> => {};

export const CONTESTANTS: readonly Contestant[] = [
  ...[1, 5].map((seconds) => ({
    name: `heapwarden embedded, sample_interval ${seconds} s`,
    periodMs: seconds * 1000,
    needs: [],
    start: (setup: Setup) => embedded(setup, seconds),
  })),
  ...[1, 5].map((seconds) => ({
    name: `Prometheus and Alertmanager, scrapes of ${seconds} s`,
    periodMs: seconds * 1000,
    needs: ['prometheus', 'prometheus-alertmanager'] as const,
    start: (setup: Setup) => byAlertmanager(setup, seconds),
  })),
  {
    name: 'PM2 max_memory_restart, which looks every 30 s',
    periodMs: 30_000,
    needs: ['pm2'],
    start: byPm2,
  },
];

/** Nothing of what makes restarts rare, and the process is stopped before the next one is started. */
function configOf({ env }: Setup, seconds: number, more: string): string {
  const command = JSON.stringify([process.execPath, APP]);
  return `sample_interval: ${seconds}s
${more}
apps:
  - name: ${NAME}
    supervisor: { child: { command: ${command}, env: ${JSON.stringify(env)} } }
    limits: { rss: { restart: ${LIMIT_MIB}MiB, for: 0s } }
    restart: { mode: stop_first, startup_grace: 0s, cooldown: 0s, budget: 100000/1h }
`;
}

async function embedded(setup: Setup, seconds: number): Promise<() => Promise<void>> {
  const warden = await WardenProcess.start(setup.scope, { config: configOf(setup, seconds, '') });
  await warden.ready();
  return nothing;
}

/** The files as shipped, but with these intervals, and rules without `for`, as the embedded limit has none. */
async function byAlertmanager(setup: Setup, seconds: number): Promise<() => Promise<void>> {
  const { scope } = setup;
  const dir = scope.testdir();
  mkdirSync(join(dir, 'deploy'));
  for (const file of ['deploy/prometheus.yml', 'deploy/alertmanager.yml', 'rules']) cpSync(join(root, file), join(dir, file), { recursive: true });
  const ports = { warden: await freePort(), alertmanager: await freePort() };
  const rules = join(dir, 'rules/heapwarden.rules.yml');
  edit(rules, { 'for: 30s': 'for: 0s' });
  const [alertmanagerFile, prometheusFile] = [join(dir, 'deploy/alertmanager.yml'), join(dir, 'deploy/prometheus.yml')];
  edit(alertmanagerFile, { '127.0.0.1:9973': `127.0.0.1:${ports.warden}` });
  edit(prometheusFile, {
    '127.0.0.1:9973': `127.0.0.1:${ports.warden}`,
    '127.0.0.1:9093': `127.0.0.1:${ports.alertmanager}`,
    'scrape_interval: 5s': `scrape_interval: ${seconds}s`,
    'evaluation_interval: 5s': `evaluation_interval: ${seconds}s`,
  });
  const more = 'trigger: alertmanager\nauth: { token_file: deploy/token }';
  const warden = await WardenProcess.start(scope, { dir, port: ports.warden, config: configOf(setup, seconds, more) });
  await warden.ready();
  const alertmanager = await startAlertmanager({ configFile: alertmanagerFile, dir, port: ports.alertmanager });
  scope.teardown(() => alertmanager.stop());
  const prometheus = await startPrometheus({ configFile: prometheusFile, dir, port: await freePort() });
  scope.teardown(() => prometheus.stop());
  if (!readFileSync(rules, 'utf8').includes('for: 0s')) throw new Error('the rules still wait');
  await waitFor('a scrape', async () => (await prometheus.query('heapwarden_process_up')).length > 0, PATIENCE_MS);
  let resolved = 0;
  return async () => {
    const seen = () => warden.metric('heapwarden_alerts_received_total', { decision: 'resolved' });
    resolved = await waitFor('the resolved notice', async () => {
      const count = (await seen()) ?? 0;
      return count > resolved && count;
    }, PATIENCE_MS);
  };
}

async function byPm2({ scope, env, pm2Program }: Setup): Promise<() => Promise<void>> {
  const pm2 = await realPm2(scope, pm2Program!);
  await pm2.start({ name: NAME, script: APP, max_memory_restart: `${LIMIT_MIB}M`, env: { ...env } });
  return nothing;
}
