import type { GcHistogram, GcKind, RuntimeStats } from '../agent/protocol.cjs';
import { GC_BUCKETS_SECONDS } from '../agent/protocol.cjs';
import type { WorkerState } from '../observe/tracker.js';
import {
  gauge, labelMaker, labelsOf, perWorker, samples, seconds, type Family, type Labels, type Sample, type View,
} from './family.js';

/** One Node.js process's figures under the labels that name it; no labels for the warden itself. */
export interface RuntimeSubject {
  labels: Labels;
  stats: RuntimeStats;
  /** Never less than before while the labels name the same process, whoever tells the stats. */
  gc: RuntimeStats['gc'];
}

/** What the agents report of the watched apps. */
export function runtimeFamilies({ workers, config }: View): Family[] {
  const expected = new Set(config.apps.filter((app) => app.runtime !== 'none').map((app) => app.name));
  const subjects = workers.flatMap((worker) => {
    const { agent, gc } = worker;
    return agent?.stats && gc ? [{ labels: labelsOf(worker), stats: agent.stats, gc: gc.total }] : [];
  });
  return [
    gauge(
      'heapwarden_agent_up',
      '1 where the agent in the worker reports in, 0 where it is expected and silent; absent with `runtime: none`.',
      perWorker(workers, ({ app, agent }) => (agent ? 1 : expected.has(app) ? 0 : null)),
    ),
    gauge(
      'heapwarden_agent_contradicted',
      '1 where the agent claims more heap than its process has resident memory, as only swapping or a lie explains for long.',
      perWorker(workers, contradicted),
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

/** Both figures are of about the same moment; null where one of them is not known. */
function contradicted({ agent, reading }: WorkerState): number | null {
  const resident = reading?.tree.find(({ pid }) => pid === agent?.pid)?.rssBytes;
  if (!agent?.stats || resident === undefined) return null;
  return agent.stats.heap_used > resident ? 1 : 0;
}

type HeapFigure = 'heap_used' | 'heap_total' | 'heap_limit' | 'heap_live' | 'external' | 'array_buffers';

function heapFamilies(prefix: string, subjects: readonly RuntimeSubject[]): Family[] {
  const family = (name: string, key: HeapFigure, help: string) =>
    gauge(`${prefix}nodejs_${name}`, help, each(subjects, (stats) => stats[key]));
  return [
    family('heap_size_used_bytes', 'heap_used', "V8's used heap."),
    family('heap_size_total_bytes', 'heap_total', "V8's reserved heap."),
    family('heap_size_limit_bytes', 'heap_limit', "V8's own heap limit, above which it aborts the process."),
    family('heap_live_bytes', 'heap_live', 'Heap used right after the last major garbage collection.'),
    family('external_memory_bytes', 'external', 'Memory of C++ objects bound to JavaScript objects.'),
    family('array_buffers_bytes', 'array_buffers', 'Memory of ArrayBuffers and Buffers, part of the external memory.'),
    gauge(
      `${prefix}nodejs_heap_space_size_used_bytes`,
      'Used heap by V8 heap space.',
      eachOf(subjects, 'space', ({ heap_spaces }) => heap_spaces),
    ),
    gauge(
      `${prefix}nodejs_active_resources`,
      'Resources that keep the event loop alive, by type.',
      eachOf(subjects, 'type', ({ active_resources }) => active_resources),
    ),
  ];
}

type LagFigure = 'mean' | 'p50' | 'p90' | 'p99' | 'max';

/** The families that prom-client's own collectors get wrong: they miss GCs, and two scrapers reset each other's lag. */
export function loopAndGcFamilies(prefix: string, subjects: readonly RuntimeSubject[]): Family[] {
  const gcName = `${prefix}nodejs_gc_duration_seconds`;
  const lag = (name: LagFigure, what: string) =>
    gauge(
      `${prefix}nodejs_eventloop_lag_${name}_seconds`,
      `${what} event-loop delay in the last window.`,
      each(subjects, ({ loop }) => loop && loop[`${name}_seconds`]),
    );
  return [
    {
      name: gcName,
      help: 'Duration of every garbage collection, by kind: major, minor, incremental or weakcb.',
      type: 'histogram',
      values: samples(function* () {
        const samplesOf = histogramMaker(gcName);
        for (const { labels, gc } of subjects) {
          for (const kind in gc) yield* samplesOf(labels, kind, gc[kind as GcKind]);
        }
      }),
    },
    lag('mean', 'Mean'),
    lag('p50', '50th percentile of the'),
    lag('p90', '90th percentile of the'),
    lag('p99', '99th percentile of the'),
    lag('max', 'Greatest'),
    gauge(
      `${prefix}nodejs_eventloop_utilization_ratio`,
      'Share of the last window in which the event loop was busy, 0 to 1.',
      each(subjects, ({ loop }) => loop && loop.utilization_ratio),
    ),
  ];
}

function each(
  subjects: readonly RuntimeSubject[],
  value: (stats: RuntimeStats) => number | null,
): Iterable<Sample> {
  return samples(function* () {
    for (const { labels, stats } of subjects) {
      const known = value(stats);
      if (known !== null) yield { labels, value: known };
    }
  });
}

/** A sample for each of a subject's values, with its key as the label of this name. */
function eachOf(
  subjects: readonly RuntimeSubject[],
  label: string,
  values: (stats: RuntimeStats) => Readonly<Record<string, number>>,
): Iterable<Sample> {
  return samples(function* () {
    const by = labelMaker(label);
    for (const { labels, stats } of subjects) {
      const of = values(stats);
      for (const key in of) yield { labels, more: by(key), value: of[key]! };
    }
  });
}

/** What makes a histogram's samples of one subject and kind. */
function histogramMaker(name: string): (labels: Labels, kind: string, gc: GcHistogram) => Generator<Sample> {
  const [bucketName, sumName, countName] = [`${name}_bucket`, `${name}_sum`, `${name}_count`];
  const byKind = labelMaker('kind');
  const bounds = new Map<string, Labels[]>();
  return function* (labels, kind, { count, sum_seconds, buckets }) {
    const ofKind = bounds.get(kind) ?? [...GC_BUCKETS_SECONDS, '+Inf'].map((le) => ({ kind, le: String(le) }));
    bounds.set(kind, ofKind);
    for (const [i, more] of ofKind.entries()) {
      const value = i < GC_BUCKETS_SECONDS.length ? (buckets[i] ?? 0) : count;
      yield { metricName: bucketName, labels, more, value };
    }
    yield { metricName: sumName, labels, more: byKind(kind), value: sum_seconds };
    yield { metricName: countName, labels, more: byKind(kind), value: count };
  };
}
