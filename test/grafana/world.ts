/**
 * A world in which everything happens that the dashboards tell of: a real Prometheus scrapes a real warden with apps that
 * leak, that no restart helps, that die for want of memory, and that have no limit. Beside it, a relay and jobs of others.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { waitFor } from '../integration/wait.js';
import { WardenProcess, appFile } from '../integration/warden-process.js';
import { freePort, startPrometheus, type Prometheus } from '../parts/prometheus.js';
import { RelayFixture } from '../relay/support.js';

const PACED = fileURLToPath(new URL('paced.mjs', import.meta.url));

/** Seconds. */
export const SCRAPE_INTERVAL = 1;
/** Milliseconds until all has happened; some 20 s on two cores that others use as well. */
const PATIENCE_MS = 150_000;

const child = (file: string, env: Record<string, string>, ...args: string[]): string =>
  `command: ${JSON.stringify([process.execPath, ...args, appFile(file)])}, env: ${JSON.stringify(env)}`;

const CONFIG = `
sample_interval: 500ms
apps:
  - name: shop # leaks, and has every limit that there is
    supervisor: { child: { ${child('leaks-by-name.cjs', { LEAK_PER_TURN: '15' }, '--max-old-space-size=2000')} } }
    limits:
      rss: { warning: 2GB, critical: 2.5GB, restart: 3GB }
      heap: { warning: 80%, critical: 90%, restart: 95% }
      freeze: { warning: 20s, critical: 30s, restart: 40s }
      uptime: { warning: 1h, critical: 2h, restart: 3h }
  - name: big # over its limit, and after each restart again
    supervisor: { child: { ${child('leaks.mjs', { LEAK_MB: '1' })} } }
    limits: { rss: { restart: 10MB, for: 500ms } }
    restart: { startup_grace: 1s, stop_timeout: 1s, cooldown: 2s }
  - name: frail # dies again and again
    supervisor: { child: { ${child('runs-out.cjs', { RUNS_OUT_OF: 'heap' }, '--max-old-space-size=40')} } }
  - name: pair # without limits, of two workers
    supervisor: { child: { ${child('leaks.mjs', { LEAK_MB: '0' })}, instances: 2 } }
    restart: { startup_grace: 1s, stop_timeout: 1s }
`;

/** `nobody` does not answer: it must not be taken for a warden that is down. */
const scrapeConfig = (warden: number, relay: string, prometheus: number, nobody: number): string => `
global: { scrape_interval: ${SCRAPE_INTERVAL}s, scrape_timeout: ${SCRAPE_INTERVAL}s }
scrape_configs:
  - { job_name: heapwarden, static_configs: [{ targets: ['127.0.0.1:${warden}'] }] }
  - { job_name: heapwarden-relay, static_configs: [{ targets: ['${relay}'] }] }
  - { job_name: prometheus, static_configs: [{ targets: ['127.0.0.1:${prometheus}'] }] }
  - { job_name: others, static_configs: [{ targets: ['127.0.0.1:${nobody}'] }] }
`;

/** Each has an answer once it has happened. */
const EVENTS: Readonly<Record<string, string>> = {
  'a leak': 'sum(heapwarden_leak_rate_bytes_per_second{app="shop"}) > 0',
  'a forecast': 'heapwarden_forecast_seconds{app="shop"}',
  'a restart that helped': 'increase(heapwarden_restarts_total{app="pair", reason="manual", result="recovered"}[5m]) > 0',
  'one that did not': 'increase(heapwarden_restarts_total{app="big", result="ineffective"}[5m]) > 0',
  'what it gave back': 'heapwarden_restart_reclaimed_bytes{app="pair"}',
  'a refusal': 'increase(heapwarden_restart_refusals_total{app="pair", refusal="cooldown"}[5m]) > 0',
  'an alert': 'rate(heapwarden_alerts_received_total[5m]) > 0',
  'a block': 'heapwarden_restarts_blocked{app="pair", refusal="paused"} > 0',
  'a death': 'increase(heapwarden_out_of_memory_deaths_total{app="frail"}[5m]) > 0',
  'a major collection': 'rate(heapwarden_nodejs_gc_duration_seconds_count{app="shop", kind="major"}[5m]) > 0',
  'an app without limits': 'heapwarden_process_up{app="pair"} unless on (app) heapwarden_limit_bytes',
  'a job of others': 'up{job="others"} == 0',
  'a relay': 'heapwarden_relay_targets{job="heapwarden-relay"} == 1',
};

export interface World {
  prometheus: Prometheus;
  /** `127.0.0.1:PORT` of the warden. */
  instance: string;
  /** Unix time in seconds at which all of it is there. */
  at: number;
}

/** Resolves when everything has happened; the test's end ends it. */
export async function startWorld(t: Test): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'hw-graf-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const ports = { warden: await freePort(), prometheus: await freePort(), nobody: await freePort() };
  const relay = await RelayFixture.start(t, 1);
  // Before the warden: increase() passes over what has happened before the first scrape.
  const configFile = join(dir, 'prometheus.yml');
  writeFileSync(configFile, scrapeConfig(ports.warden, relay.config.listen, ports.prometheus, ports.nobody));
  const prometheus = await startPrometheus({ configFile, dir, port: ports.prometheus });
  t.teardown(() => prometheus.stop());
  const warden = await WardenProcess.start(t, { config: CONFIG, port: ports.warden, runner: [process.execPath, `--import=${PACED}`] });
  await warden.ready();

  const post = async (path: string, body: unknown, expected: number): Promise<void> => {
    const answer = await warden.post(`/api/v1/${path}`, body);
    if (answer.status !== expected) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  };
  const seen = async (query: string): Promise<boolean> => (await prometheus.query(query)).length > 0;

  await waitFor('both workers of pair to be scraped', () => seen('count(heapwarden_agent_up{app="pair"} == 1) == 2'), 60_000);
  await post('apps/pair/restart', { worker: '0', force: true }, 202);
  await waitFor('its restart', () => seen('heapwarden_restart_reclaimed_bytes{app="pair"}'), 60_000);
  await post('apps/pair/restart', { worker: '0' }, 409);
  await post('apps/pair/pause', {}, 200);
  const labels = { app: 'pair', worker: '1', action: 'restart', reason: 'rss' };
  const alert = { status: 'firing', labels, fingerprint: 'abc', startsAt: new Date().toISOString(), endsAt: '0001-01-01T00:00:00Z' };
  await post('alerts', { version: '4', alerts: [alert] }, 202);

  const missingAt = async (time: number): Promise<string[]> => {
    const answers = await Promise.all(
      Object.entries(EVENTS).map(async ([name, query]) => {
        const path = `/api/v1/query?${new URLSearchParams({ query, time: String(time) }).toString()}`;
        const { data } = (await prometheus.get(path)) as { data: { result: unknown[] } };
        return data.result.length > 0 ? [] : [name];
      }),
    );
    return answers.flat();
  };
  let missing: string[] = [];
  const all = async (): Promise<number | null> => {
    const time = Date.now() / 1000;
    missing = await missingAt(time);
    return missing.length === 0 ? time : null;
  };
  const at = await waitFor('all to happen', all, PATIENCE_MS).catch((error: unknown) => {
    throw new Error(`still missing: ${missing.join(', ')}`, { cause: error });
  });
  return { prometheus, instance: `127.0.0.1:${ports.warden}`, at };
}
