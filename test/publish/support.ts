import { Registry, type Metric, type RegistryContentType } from 'prom-client';
import { History } from '../../src/act/history.js';
import { Counters } from '../../src/publish/counters.js';
import type { Family, Sample, View } from '../../src/publish/family.js';
import { forecastFamilies } from '../../src/publish/forecast.js';
import { limitFamilies } from '../../src/publish/limits.js';
import { processFamilies } from '../../src/publish/processes.js';
import { CONTENT_TYPES, render, type Collector, type Exposition } from '../../src/publish/render.js';
import { restartFamilies } from '../../src/publish/restarts.js';
import { runtimeFamilies } from '../../src/publish/runtime.js';
import { wardenFamilies } from '../../src/publish/warden.js';
import { FakeClock, incidentOf } from '../act/support.js';
import { HOUR, MB, MINUTE, NOW, SECOND, configOf, workerOf } from '../decide/support.js';

export const CLOCK = new FakeClock();

const CANCELLED = { ...incidentOf({ id: '' }).outcome!, result: 'cancelled' } as const;

const CONFIG = configOf(`
apps:
  - name: shop
    supervisor: { pm2: shop }
    limits:
      rss: { warning: 500MB, critical: 700MB, restart: 768MB }
      heap: { warning: 80%, restart: 95% }
      freeze: { critical: 5s, restart: 15s }
      uptime: { restart: 6h }
    restart: { budget: 5/1h }
  - { name: static, supervisor: { pm2: static }, runtime: none, memory: process }
`);

const gc = (count: number, sum_seconds: number, ...buckets: number[]) => ({ count, sum_seconds, buckets });

const measured = {
  pid: 90, start: 1, startedAtMs: NOW - HOUR, heapUsedBytes: null, heapLimitBytes: null, heartbeatAtMs: null,
};

/** A shop of two workers, one of them down, and an app without an agent; one restart half an hour ago. */
export const VIEW: View = {
  nowMs: NOW,
  version: '1.2.3',
  config: CONFIG,
  lastReload: { successful: true, successAtMs: NOW - HOUR },
  workers: [
    workerOf({
      worker: '0',
      rssBytes: 80 * MB,
      childrenRssBytes: 20 * MB,
      heartbeatAtMs: NOW - 250,
      stats: {
        heap_live: 20 * MB,
        gc: {
          major: gc(3, 0.015, 0, 3, 3, 3, 3, 3),
          minor: gc(70, 0.07, 60, 69, 70, 70, 70, 70),
          incremental: gc(0, 0, 0, 0, 0, 0, 0, 0),
          weakcb: gc(1, 6.5, 0, 0, 0, 0, 0, 0),
        },
        loop: {
          window_seconds: 10,
          mean_seconds: 0.001,
          p50_seconds: 0.0005,
          p90_seconds: 0.002,
          p99_seconds: 0.01,
          max_seconds: 0.25,
          utilization_ratio: 0.125,
        },
        active_resources: { TCPServerWrap: 1, Timeout: 2 },
      },
    }),
    workerOf({ worker: '1', pid: null, state: 'crash_loop' }),
    workerOf({ app: 'static', rssBytes: 10 * MB, childrenRssBytes: 5 * MB, stats: null, startedAtMs: NOW - MINUTE }),
    workerOf({ app: 'stranger', supervisor: 'none', pid: 300, stats: null }),
  ],
  history: new History([
    incidentOf({
      id: 'a',
      atMs: NOW - 30 * MINUTE,
      before: { ...measured, rssBytes: 768 * MB },
      outcome: {
        atMs: NOW - 29 * MINUTE,
        result: 'recovered',
        sentence: '',
        stop: 'exited',
        after: { ...measured, pid: 91, rssBytes: 68 * MB },
        downtimeMs: null, release: null, relapsedAtMs: null, interrupted: false,
      },
    }),
    incidentOf({
      id: 'c',
      atMs: NOW - MINUTE,
      before: { ...measured, rssBytes: 800 * MB },
      outcome: { ...CANCELLED, after: { ...measured, rssBytes: 790 * MB } },
    }),
    incidentOf({ id: 'b', atMs: NOW - SECOND, outcome: null, before: { ...measured, rssBytes: 800 * MB } }),
  ], CLOCK),
  outlook: ({ app, worker }) =>
    app === 'shop' && worker === '0'
      ? {
          leak: {
            class: 'heap',
            bytesPerSecond: 8611.4,
            confidence: 0.912,
            companions: [{ type: 'TCPSocketWrap', from: 12, to: 840 }],
          },
          rates: { heap: 8611.4, buffers: 0, native: 0, children: 0 },
          forecastMs: 15_000_250,
          limitBytes: 768 * MB,
          measuredMs: 2 * HOUR,
        }
      : app === 'static'
        ? { leak: null, rates: { children: 0 }, forecastMs: null, limitBytes: null, measuredMs: 0 }
        : null,
  agentsConnected: 1,
  health: new Map([
    ['supervisor/shop', { success: true, durationMs: 12 }],
    ['sampler', { success: false, durationMs: 250 }],
  ]),
};

/** The families that a view tells, in the order of the page. */
export function viewFamilies(view: View): Family[] {
  return [processFamilies, runtimeFamilies, limitFamilies, forecastFamilies, restartFamilies, wardenFamilies].flatMap((of) => of(view));
}

/** Counters of a warden that has just started with these apps. */
export function freshCounters(...apps: string[]): Counters {
  const counters = new Counters();
  counters.expect(apps);
  return counters;
}

/** A page whose collectors must not fail. */
export async function page(collectors: readonly Collector[], exposition: Exposition = 'text'): Promise<string> {
  const bytes = await render(collectors, new Map(), exposition, (_collector, error) => {
    throw error;
  });
  return bytes.toString();
}

export const collectorOf = (name: string, ...families: Family[]): Collector => ({ name, collect: () => families });

/** The page's lines without those about the collectors' own durations, which differ from one to the next. */
export function linesOf(text: string, about = ''): string[] {
  return text.split('\n').filter((line) => line.includes(about) && !line.includes('heapwarden_collector_'));
}

/** With all of its labels in one object, as prom-client has them. */
export function asOne(sample: Sample): Sample {
  const { labels, more, ...rest } = sample;
  return more === undefined ? sample : { ...rest, labels: { ...labels, ...more } };
}

/** What prom-client writes of them; it asks no more of a metric than its name, its type and its values. */
export function byPromClient(families: readonly Family[], exposition: Exposition): Promise<string> {
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(CONTENT_TYPES[exposition]);
  for (const { name, help, type, values } of families) {
    const metric = { name, type, get: async () => ({ name: metric.name, help, type, values: [...values].map(asOne) }) };
    registry.registerMetric(metric as unknown as Metric);
  }
  return registry.metrics();
}
