/** Pure: a process's memory over time, thinned to a fixed size; a new process starts with nothing. */
import type { ProcessId } from '../supervisors/contract.js';
import { gcSeconds } from './gc-count.js';
import { sameProcess } from './identity.js';
import { workerKey, type Workers, type WorkerState } from './tracker.js';

/**
 * In bytes. `live`: the four after `collected`, that is the memory of the tree without V8's garbage and reserve. `heap`
 * and `buffers` are as of the last major GC; `collected` is what both were at that moment. `reserved` and `external` are
 * as of the sample, garbage included. `gc` alone is in seconds, all that garbage collections have taken since the start.
 */
export const COLUMNS = [
  'tree', 'root', 'live', 'collected', 'heap', 'buffers', 'native', 'children', 'reserved', 'external', 'gc',
] as const;
export type Column = (typeof COLUMNS)[number];

/** One round's figures of one process; sizes in bytes. */
export interface MemorySample {
  /** Milliseconds, by the clock that never jumps. */
  at: number;
  treeRss: number;
  rootRss: number;
  /** Of the process that the agent is in: behind a wrapper such as `npm start`, that is not the root. */
  ownRss: number;
  /** null where no agent reports. */
  runtime: {
    heapTotal: number;
    /** Used outside the young generation, garbage included. */
    heapHeld: number;
    /** null before the first major GC. */
    heapLive: number | null;
    /** Array buffers are part of it: https://nodejs.org/api/process.html#processmemoryusage */
    external: number;
    /** Seconds that garbage collections have taken since the process started, or the agent came into it: GcCount. */
    gcSeconds: number;
    /** Active resources by type. */
    resources: Record<string, number>;
  } | null;
}

/** `at` in milliseconds, `value` in bytes. */
export interface Point {
  at: number;
  value: number;
}

export interface Snapshot {
  at: number;
  resources: Record<string, number>;
}

export interface Highest {
  tree: number;
  root: number;
  heapLive: number;
}

/** What a reader of a series needs. */
export interface History {
  readonly latest: MemorySample | null;
  /** When the last major GC was noticed; where none was, when the series begins. */
  readonly collectedAt: number;
  readonly snapshots: readonly Snapshot[];
  /** Bytes that the tree and the root have had at most, and major GCs have left, by single samples; 0 where there is none. */
  readonly highest: Highest;
  /** The lowest value of each time slice since `from` that has ended, as finely as is kept so far back. */
  read(column: Column, from: number): Point[];
  /** The same of the last finest slices, 64 at most. */
  recent(column: Column): Point[];
}

export interface SeriesOptions {
  /** Milliseconds of the finest slice. */
  sliceMs: number;
  /** Milliseconds at the start of a process that tell nothing of the time after. */
  startupMs: number;
}

/**
 * A startup ramp (modules, JIT, pools) is over after minutes. Slices of 30 s are as long as the default `for` of a
 * limit, whose crossing the lowest value of a slice therefore tells.
 */
export const SERIES_DEFAULTS: SeriesOptions = { sliceMs: 30_000, startupMs: 600_000 };

const SLICES = 64;
/** Lengths of the tiers' slices: 32 min, 2 h, 8.5 h, 34 h and 5.7 days by default. */
const TIER_FACTORS = [1, 4, 16, 64, 256];
const ROW = COLUMNS.length + 1;
const MOST_SNAPSHOTS = 32;
const MOST_RESOURCE_TYPES = 32;

/**
 * A ring of slices for each tier: 5 × 64 × 12 numbers, 31 KB a process however long it runs, and at most 32 × 32 counts
 * of resources beside. The lowest value of a slice is what a sawtooth above it does not move.
 */
export class Series implements History {
  latest: MemorySample | null = null;
  highest: Highest = { tree: 0, root: 0, heapLive: 0 };
  collectedAt = 0;
  #snapshots: Snapshot[] = [];
  #snapshotEveryMs: number;
  readonly #tiers: readonly Tier[];
  #origin = 0;
  #liveBuffers = NaN;
  #collected = NaN;

  constructor({ sliceMs }: Pick<SeriesOptions, 'sliceMs'> = SERIES_DEFAULTS) {
    this.#tiers = TIER_FACTORS.map((factor) => new Tier(sliceMs * factor));
    this.#snapshotEveryMs = sliceMs;
  }

  get snapshots(): readonly Snapshot[] {
    return this.#snapshots;
  }

  /** How many of the finest slices have begun: what is read of them changes only with that. */
  get slices(): number {
    return this.#tiers[0]!.count;
  }

  add(sample: MemorySample): void {
    if (!this.latest) this.#origin = this.collectedAt = sample.at;
    const values = this.#valuesOf(sample);
    for (const tier of this.#tiers) tier.add(sample.at - this.#origin, values);
    if (sample.runtime) this.#snapshot(sample.at, sample.runtime.resources);
    const { tree, root, heapLive } = this.highest;
    this.highest = {
      tree: Math.max(tree, sample.treeRss),
      root: Math.max(root, sample.rootRss),
      heapLive: Math.max(heapLive, sample.runtime?.heapLive ?? 0),
    };
    this.latest = sample;
  }

  read(column: Column, from: number): Point[] {
    const since = from - this.#origin;
    const tier = this.#tiers.find((candidate) => candidate.reaches(since)) ?? this.#tiers.at(-1)!;
    return tier.read(1 + COLUMNS.indexOf(column), since, this.#origin);
  }

  recent(column: Column): Point[] {
    return this.#tiers[0]!.read(1 + COLUMNS.indexOf(column), -Infinity, this.#origin);
  }

  #valuesOf({ at, treeRss, rootRss, ownRss, runtime }: MemorySample): number[] {
    const heap = runtime?.heapLive ?? NaN;
    const external = runtime?.external ?? NaN;
    // Buffers that nobody holds are still counted until the next major GC.
    const collected = heap !== (this.latest?.runtime?.heapLive ?? NaN) || Number.isNaN(this.#liveBuffers);
    if (collected && !Number.isNaN(heap)) this.collectedAt = at;
    if (Number.isNaN(heap)) this.#liveBuffers = NaN;
    else this.#liveBuffers = collected ? external : Math.min(this.#liveBuffers, external);
    const native = ownRss - (runtime?.heapTotal ?? NaN) - external;
    const children = Math.max(0, treeRss - ownRss);
    const live = heap + this.#liveBuffers + native + children;
    if (collected || Number.isNaN(heap)) this.#collected = heap + external;
    const current = [runtime?.heapTotal ?? NaN, external, runtime?.gcSeconds ?? NaN];
    return [treeRss, rootRss, live, this.#collected, heap, this.#liveBuffers, native, children, ...current];
  }

  /** Thinned by halves: always 16 to 32 over the whole life. */
  #snapshot(at: number, resources: Record<string, number>): void {
    const last = this.#snapshots.at(-1);
    if (last && at - last.at < this.#snapshotEveryMs) return;
    if (this.#snapshots.length === MOST_SNAPSHOTS) {
      this.#snapshots = this.#snapshots.filter((_, i) => i % 2 === 0);
      this.#snapshotEveryMs *= 2;
    }
    const most = Object.entries(resources).toSorted(([, a], [, b]) => b - a).slice(0, MOST_RESOURCE_TYPES);
    this.#snapshots.push({ at, resources: Object.fromEntries(most) });
  }
}

/** The last slices of one length; a row is the time of its first sample and the least of each column. */
class Tier {
  readonly #sliceMs: number;
  readonly #cells = new Float64Array(SLICES * ROW);
  #open = -1;
  #count = 0;

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  add(at: number, values: readonly number[]): void {
    const slice = Math.floor(at / this.#sliceMs);
    if (slice !== this.#open) {
      this.#open = slice;
      this.#count += 1;
      const begin = this.#rowOf(this.#count - 1);
      this.#cells.fill(NaN, begin, begin + ROW);
      this.#cells[begin] = at;
    }
    const row = this.#rowOf(this.#count - 1);
    values.forEach((value, i) => {
      if (!(this.#cells[row + 1 + i]! <= value)) this.#cells[row + 1 + i] = value;
    });
  }

  get count(): number {
    return this.#count;
  }

  reaches(since: number): boolean {
    return this.#count <= SLICES || this.#cells[this.#rowOf(this.#count - SLICES)]! <= since;
  }

  /** Without the slice that is still open: its lowest value may be to come. */
  read(cell: number, since: number, origin: number): Point[] {
    const points: Point[] = [];
    for (let i = Math.max(0, this.#count - SLICES); i < this.#count - 1; i++) {
      const row = this.#rowOf(i);
      const at = this.#cells[row]!;
      const value = this.#cells[row + cell]!;
      if (at >= since && !Number.isNaN(value)) points.push({ at: at + origin, value });
    }
    return points;
  }

  #rowOf(index: number): number {
    return (index % SLICES) * ROW;
  }
}

/** The series of all workers; fed once a round. */
export class SeriesBook {
  readonly #options: SeriesOptions;
  readonly #pages = new Map<string, { process: ProcessId; series: Series }>();

  constructor(options: SeriesOptions = SERIES_DEFAULTS) {
    this.#options = options;
  }

  add(workers: Workers): void {
    for (const key of this.#pages.keys()) if (!workers.get(key)?.reading) this.#pages.delete(key);
    for (const [key, worker] of workers) {
      const sample = sampleOf(worker);
      if (!sample) continue;
      const process = worker.reading!.root;
      const known = this.#pages.get(key);
      const page = known && sameProcess(known.process, process) ? known : { process, series: new Series(this.#options) };
      this.#pages.set(key, page);
      const isStarting = worker.observedAtMs - worker.reading!.startedAtMs < this.#options.startupMs;
      // A round in which nothing could be measured repeats the last one.
      if (!isStarting && sample.at !== page.series.latest?.at) page.series.add(sample);
    }
  }

  /** null where the worker's process is another by now, or none. */
  of({ app, worker, reading }: Pick<WorkerState, 'app' | 'worker' | 'reading'>): Series | null {
    const page = this.#pages.get(workerKey(app, worker));
    return page && sameProcess(page.process, reading?.root) ? page.series : null;
  }
}

/** null where no process runs. */
export function sampleOf({ reading, agent, gc, observedAt }: WorkerState): MemorySample | null {
  if (!reading) return null;
  const own = reading.tree.find(({ pid }) => pid === agent?.pid);
  const stats = own && agent?.stats;
  return {
    at: observedAt,
    treeRss: reading.treeRssBytes,
    rootRss: reading.root.rssBytes,
    ownRss: (own ?? reading.root).rssBytes,
    runtime: stats
      ? {
          heapTotal: stats.heap_total,
          heapHeld: stats.heap_used - youngOf(stats.heap_spaces),
          heapLive: stats.heap_live,
          external: stats.external,
          gcSeconds: gc ? gcSeconds(gc) : NaN,
          resources: stats.active_resources,
        }
      : null,
  };
}

/** As the agent counts `heap_live`. */
const youngOf = (spaces: Readonly<Record<string, number>>): number =>
  Object.entries(spaces).reduce((sum, [name, used]) => (name.startsWith('new') ? sum + used : sum), 0);
