import type { GcKind, RuntimeStats } from '../agent/protocol.cjs';
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
  const subjects: RuntimeSubject[] = [];
  for (const worker of workers) {
    const { agent, gc } = worker;
    if (agent?.stats && gc) subjects.push({ labels: labelsOf(worker), stats: agent.stats, gc: gc.total });
  }
  return [
    gauge(
      'heapwarden_agent_up',
      '1 where the agent in the worker reports in, 0 where it is expected and silent; absent with `runtime: none`.',
      perWorker(workers, agentUp, expected),
    ),
    gauge(
      'heapwarden_agent_contradicted',
      '1 where the agent claims more heap than its process has resident memory, as only swapping or a lie explains for long.',
      perWorker(workers, contradicted),
    ),
    gauge(
      'heapwarden_nodejs_eventloop_heartbeat_timestamp_seconds',
      'The last time the event loop is known to have turned, in seconds since the Unix epoch.',
      perWorker(workers, heartbeat),
    ),
    ...heapFamilies('heapwarden_', subjects),
    ...loopAndGcFamilies('heapwarden_', subjects),
  ];
}

const agentUp = ({ app, agent }: WorkerState, expected: ReadonlySet<string>) => (agent ? 1 : expected.has(app) ? 0 : null);

const heartbeat = ({ agent }: WorkerState) => agent && seconds(agent.heartbeatAtMs);

/** Both figures are of about the same moment; null where one of them is not known. */
function contradicted({ agent, reading }: WorkerState): number | null {
  const resident = reading?.tree.find(({ pid }) => pid === agent?.pid)?.rssBytes;
  if (!agent?.stats || resident === undefined) return null;
  return agent.stats.heap_used > resident ? 1 : 0;
}

type HeapFigure = 'heap_used' | 'heap_total' | 'heap_limit' | 'heap_live' | 'external' | 'array_buffers';

function heapFamilies(prefix: string, subjects: readonly RuntimeSubject[]): Family[] {
  const family = (name: string, key: HeapFigure, help: string) =>
    gauge(`${prefix}nodejs_${name}`, help, samples(figures, subjects, key));
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
      samples(figuresBy, subjects, 'space', 'heap_spaces'),
    ),
    gauge(
      `${prefix}nodejs_active_resources`,
      'Resources that keep the event loop alive, by type.',
      samples(figuresBy, subjects, 'type', 'active_resources'),
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
      samples(loopFigures, subjects, `${name}_seconds`),
    );
  return [
    {
      name: gcName,
      help: 'Duration of every garbage collection, by kind: major, minor, incremental or weakcb.',
      type: 'histogram',
      values: samples(gcHistograms, subjects, gcName),
    },
    lag('mean', 'Mean'),
    lag('p50', '50th percentile of the'),
    lag('p90', '90th percentile of the'),
    lag('p99', '99th percentile of the'),
    lag('max', 'Greatest'),
    gauge(
      `${prefix}nodejs_eventloop_utilization_ratio`,
      'Share of the last window in which the event loop was busy, 0 to 1.',
      samples(loopFigures, subjects, 'utilization_ratio'),
    ),
  ];
}

function* figures(subjects: readonly RuntimeSubject[], key: HeapFigure): Generator<Sample> {
  for (const { labels, stats } of subjects) {
    const value = stats[key];
    if (value !== null) yield { labels, value };
  }
}

function* loopFigures(subjects: readonly RuntimeSubject[], key: keyof NonNullable<RuntimeStats['loop']>): Generator<Sample> {
  for (const { labels, stats: { loop } } of subjects) if (loop) yield { labels, value: loop[key] };
}

/** A sample for each of a subject's values, with its key as the label of this name. */
function* figuresBy(subjects: readonly RuntimeSubject[], label: string, key: 'heap_spaces' | 'active_resources'): Generator<Sample> {
  const by = labelMaker(label);
  for (const { labels, stats } of subjects) {
    const values = stats[key];
    for (const name in values) yield { labels, more: by(name), value: values[name]! };
  }
}

function* gcHistograms(subjects: readonly RuntimeSubject[], name: string): Generator<Sample> {
  const [bucketName, sumName, countName] = [`${name}_bucket`, `${name}_sum`, `${name}_count`];
  const byKind = labelMaker('kind');
  const bounds = new Map<string, Labels[]>();
  for (const { labels, gc } of subjects) {
    for (const kind in gc) {
      const { count, sum_seconds, buckets } = gc[kind as GcKind];
      const ofKind = bounds.get(kind) ?? [...GC_BUCKETS_SECONDS, '+Inf'].map((le) => ({ kind, le: String(le) }));
      bounds.set(kind, ofKind);
      for (const [i, more] of ofKind.entries()) {
        const value = i < GC_BUCKETS_SECONDS.length ? (buckets[i] ?? 0) : count;
        yield { metricName: bucketName, labels, more, value };
      }
      yield { metricName: sumName, labels, more: byKind(kind), value: sum_seconds };
      yield { metricName: countName, labels, more: byKind(kind), value: count };
    }
  }
}
