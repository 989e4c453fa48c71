import type { GcHistogram, RuntimeStats } from '../agent/protocol.cjs';
import { GC_BUCKETS_SECONDS } from '../agent/protocol.cjs';
import { gauge, labelsOf, perWorker, seconds, type Family, type Labels, type Sample, type View } from './family.js';

/** One Node.js process's figures under the labels that name it; no labels for the warden itself. */
export interface RuntimeSubject {
  labels: Labels;
  stats: RuntimeStats;
}

/** What the agents report of the watched apps. */
export function runtimeFamilies({ workers, config }: View): Family[] {
  const expected = new Set(config.apps.filter((app) => app.runtime !== 'none').map((app) => app.name));
  const subjects = workers.flatMap((worker) => (worker.agent?.stats ? [{ labels: labelsOf(worker), stats: worker.agent.stats }] : []));
  return [
    gauge(
      'heapwarden_agent_up',
      '1 where the agent inside the worker reports in, 0 where it is expected and silent; absent where `runtime` is `none`.',
      perWorker(workers, ({ app, agent }) => (agent ? 1 : expected.has(app) ? 0 : null)),
    ),
    gauge(
      'heapwarden_nodejs_eventloop_heartbeat_timestamp_seconds',
      'The last time the event loop is known to have turned, in seconds since the Unix epoch.',
      perWorker(workers, ({ agent }) => agent && seconds(agent.heartbeatAtMs)),
    ),
    ...heapFamilies('heapwarden_', subjects),
    ...loopAndGcFamilies('heapwarden_', subjects),
  ];
}

function heapFamilies(prefix: string, subjects: readonly RuntimeSubject[]): Family[] {
  const family = (name: string, help: string, value: (stats: RuntimeStats) => number | null) =>
    gauge(`${prefix}nodejs_${name}`, help, each(subjects, value));
  return [
    family('heap_size_used_bytes', "V8's used heap.", (stats) => stats.heap_used),
    family('heap_size_total_bytes', "V8's reserved heap.", (stats) => stats.heap_total),
    family('heap_size_limit_bytes', "V8's own heap limit, above which the process dies of out-of-memory.", (stats) => stats.heap_limit),
    family('heap_live_bytes', 'Heap used right after the last major garbage collection.', (stats) => stats.heap_live),
    family('external_memory_bytes', 'Memory of C++ objects bound to JavaScript objects.', (stats) => stats.external),
    family('array_buffers_bytes', 'Memory of ArrayBuffers and Buffers, part of the external memory.', (stats) => stats.array_buffers),
    gauge(
      `${prefix}nodejs_heap_space_size_used_bytes`,
      'Used heap by V8 heap space.',
      subjects.flatMap(({ labels, stats }) =>
        Object.entries(stats.heap_spaces).map(([space, value]) => ({ labels: { ...labels, space }, value })),
      ),
    ),
    gauge(
      `${prefix}nodejs_active_resources`,
      'Resources that keep the event loop alive, by type.',
      subjects.flatMap(({ labels, stats }) =>
        Object.entries(stats.active_resources).map(([type, value]) => ({ labels: { ...labels, type }, value })),
      ),
    ),
  ];
}

/** The families that prom-client's own collectors get wrong (they miss GCs, and two scrapers reset each other's lag). */
export function loopAndGcFamilies(prefix: string, subjects: readonly RuntimeSubject[]): Family[] {
  const lag = (name: string, what: string, key: 'mean_seconds' | 'p50_seconds' | 'p90_seconds' | 'p99_seconds' | 'max_seconds') =>
    gauge(`${prefix}nodejs_eventloop_lag_${name}_seconds`, `${what} event-loop delay in the last window.`, each(subjects, ({ loop }) => loop && loop[key]));
  return [
    {
      name: `${prefix}nodejs_gc_duration_seconds`,
      help: 'Duration of every garbage collection, by kind: major, minor, incremental or weakcb.',
      type: 'histogram',
      values: subjects.flatMap(({ labels, stats }) =>
        Object.entries(stats.gc).flatMap(([kind, histogram]) => histogramSamples(`${prefix}nodejs_gc_duration_seconds`, { ...labels, kind }, histogram)),
      ),
    },
    lag('mean', 'Mean', 'mean_seconds'),
    lag('p50', '50th percentile of the', 'p50_seconds'),
    lag('p90', '90th percentile of the', 'p90_seconds'),
    lag('p99', '99th percentile of the', 'p99_seconds'),
    lag('max', 'Greatest', 'max_seconds'),
    gauge(
      `${prefix}nodejs_eventloop_utilization_ratio`,
      'Share of the last window in which the event loop was busy, 0 to 1.',
      each(subjects, ({ loop }) => loop && loop.utilization_ratio),
    ),
  ];
}

function each(subjects: readonly RuntimeSubject[], value: (stats: RuntimeStats) => number | null): Sample[] {
  return subjects.flatMap(({ labels, stats }) => {
    const known = value(stats);
    return known === null ? [] : [{ labels, value: known }];
  });
}

function histogramSamples(name: string, labels: Labels, { count, sum_seconds, buckets }: GcHistogram): Sample[] {
  const bucket = (le: string, value: number) => ({ metricName: `${name}_bucket`, labels: { ...labels, le }, value });
  return [
    ...GC_BUCKETS_SECONDS.map((bound, i) => bucket(String(bound), buckets[i] ?? 0)),
    bucket('+Inf', count),
    { metricName: `${name}_sum`, labels, value: sum_seconds },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
