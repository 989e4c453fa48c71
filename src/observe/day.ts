/** Pure: the last hour and the last day of every worker, for people to look at; of fixed size. */
import { gcSeconds } from './gc-count.js';
import { sameProcess } from './identity.js';
import { workerKey, type Workers, type WorkerState } from './tracker.js';
import type { ProcessId } from '../supervisors/contract.js';

/**
 * What is kept, and what a slice keeps of it: bytes, and seconds. `lag` is the 99th percentile of the event-loop delay,
 * `gc_share` the share of the time that garbage collections took.
 */
export const DAY_COLUMNS = {
  resident: 'most', heap_used: 'most', heap_live: 'last', lag: 'most', gc_share: 'mean',
} as const;
export type DayColumn = keyof typeof DAY_COLUMNS;

const NAMES = Object.keys(DAY_COLUMNS) as DayColumn[];
const WIDTH = NAMES.length;

/** `spanMs`: how long the time was, until now, of which `gc_share` is the mean. */
export type DaySample = Readonly<Record<DayColumn | 'spanMs', number>>;

/** Slices of one length; the lengths divide an hour, so that all workers' slices begin at the same times. */
export interface RingShape {
  /** Milliseconds. */
  sliceMs: number;
  slices: number;
}

export const HOUR_RING: RingShape = { sliceMs: 10_000, slices: 360 };
export const DAY_RING: RingShape = { sliceMs: 120_000, slices: 720 };

/** Bytes that one worker takes: (360 + 720) × 5 × 4, of which the day is saved. */
export const BYTES_PER_WORKER = (HOUR_RING.slices + DAY_RING.slices) * WIDTH * Float32Array.BYTES_PER_ELEMENT;

/** Values by column, oldest first; NaN where nothing was measured. */
export interface DayValues {
  /** Of the first slice, in milliseconds since the Unix epoch. */
  startMs: number;
  sliceMs: number;
  columns: Record<DayColumn, number[]>;
}

/** A ring of slices by the time of day; a slice in which nothing was measured is empty. */
export class DayRing {
  readonly shape: RingShape;
  /** A row for each slice; 24 bits of precision are more than anybody sees. */
  readonly cells: Float32Array<ArrayBuffer>;
  /** The newest slice, counted from the Unix epoch; -1: none. */
  newest: number;
  /**
   * Milliseconds that the mean of the slice written to last is of. Not kept for others, nor saved: where one of them is
   * written to again, what is measured then takes the place of what it had.
   */
  readonly #meanOf = { slice: -1, ms: 0 };

  constructor(shape: RingShape, cells = new Float32Array(shape.slices * WIDTH).fill(NaN), newest = -1) {
    this.shape = shape;
    this.cells = cells;
    this.newest = newest;
  }

  /** Whether another slice began with it. */
  add(nowMs: number, sample: DaySample): boolean {
    const { slices, sliceMs } = this.shape;
    const slice = Math.floor(nowMs / sliceMs);
    const isNew = this.#moveTo(slice);
    const row = (slice % slices) * WIDTH;
    const weight = this.#weigh(slice, nowMs, sample);
    for (let i = 0; i < WIDTH; i++) {
      const name = NAMES[i]!;
      const value = sample[name];
      if (!Number.isNaN(value)) this.cells[row + i] = merged(DAY_COLUMNS[name], this.cells[row + i]!, value, weight);
    }
    return isNew;
  }

  read(nowMs: number): DayValues {
    const { slices, sliceMs } = this.shape;
    const last = Math.floor(nowMs / sliceMs);
    const first = last - slices + 1;
    const columns = Object.fromEntries(NAMES.map((name) => [name, [] as number[]])) as DayValues['columns'];
    for (let slice = first; slice <= last; slice++) {
      const isKept = slice <= this.newest && slice > this.newest - slices;
      const row = (((slice % slices) + slices) % slices) * WIDTH;
      NAMES.forEach((name, i) => columns[name].push(isKept ? this.cells[row + i]! : NaN));
    }
    return { startMs: first * sliceMs, sliceMs, columns };
  }

  /** How much of the slice's mean is the sample's: as much as it has of the time in this slice that was measured. */
  #weigh(slice: number, nowMs: number, { gc_share, spanMs }: DaySample): number {
    const before = this.#meanOf.slice === slice ? this.#meanOf.ms : 0;
    const own = Number.isNaN(gc_share) ? 0 : Math.min(spanMs, nowMs - slice * this.shape.sliceMs);
    this.#meanOf.slice = slice;
    this.#meanOf.ms = before + own;
    return before === 0 ? 1 : own / (before + own);
  }

  /** By a clock that was set back, what has been measured from there on is not yet to come: it is given up. */
  #moveTo(slice: number): boolean {
    if (slice === this.newest) return false;
    const { slices } = this.shape;
    const [first, last] = slice > this.newest ? [this.newest + 1, slice] : [slice, this.newest];
    if (last - first + 1 >= slices) this.cells.fill(NaN);
    else for (let next = first; next <= last; next++) this.#empty(next % slices);
    this.newest = slice;
    return true;
  }

  #empty(row: number): void {
    this.cells.fill(NaN, row * WIDTH, (row + 1) * WIDTH);
  }
}

function merged(how: (typeof DAY_COLUMNS)[DayColumn], before: number, value: number, weight: number): number {
  if (how === 'last' || Number.isNaN(before)) return value;
  return how === 'mean' ? before + (value - before) * weight : Math.max(before, value);
}

/** What a worker's garbage collections had taken when its agent told it last; `at` by `clock.monotonic()`. */
interface GcMark {
  process: ProcessId;
  seconds: number;
  at: number;
}

const NO_GC = { gc_share: NaN, spanMs: 0 } as const;

/** What a worker's rings are kept under. */
export interface DayPage {
  app: string;
  worker: string;
  hour: DayRing;
  day: DayRing;
  /** The last round in which the worker ran; 0 where it has not since it was read from disk. */
  round: number;
}

/** As much is kept: 1000 workers, 22 MB. Those that have been seen last; of more than that at once, those that came first. */
export const MOST_PAGES = 1000;

/** The rings of all workers; fed once a round. Unlike a process's own series they outlive a restart. */
export class DayBook {
  readonly #pages = new Map<string, DayPage>();
  readonly #gc = new Map<string, GcMark>();
  #rounds = 0;

  /** `kept`: what an earlier warden has saved. */
  constructor(kept: readonly { app: string; worker: string; day: DayRing }[] = []) {
    for (const { app, worker, day } of kept.slice(-MOST_PAGES)) this.#open(app, worker, day);
  }

  /** Those that have been seen last come last. */
  get pages(): readonly DayPage[] {
    return [...this.#pages.values()].toSorted((a, b) => a.round - b.round);
  }

  of(app: string, worker: string): DayPage | null {
    return this.#pages.get(workerKey(app, worker)) ?? null;
  }

  /** `residentOf`: what the worker's limits mean by its memory. Whether there is something new that is worth being saved. */
  add(workers: Workers, residentOf: (worker: WorkerState) => number): boolean {
    let isNew = false;
    this.#rounds += 1;
    let gone: DayPage[] | undefined;
    for (const [key, worker] of workers) {
      const { app, worker: slot, observedAtMs } = worker;
      if (!worker.reading) continue;
      const known = this.#pages.get(key);
      if (!known && this.#pages.size >= MOST_PAGES && !this.#drop((gone ??= this.#gone(workers)).shift())) continue;
      const page = known ?? this.#open(app, slot);
      page.round = this.#rounds;
      const sample = this.#sampleOf(key, worker, residentOf(worker));
      page.hour.add(observedAtMs, sample);
      isNew = page.day.add(observedAtMs, sample) || isNew;
    }
    for (const key of this.#gc.keys()) if (!workers.has(key)) this.#gc.delete(key);
    return isNew;
  }

  /** Oldest first. Not those that are still there: with more workers than pages, each would drop another's in every round. */
  #gone(workers: Workers): DayPage[] {
    return this.pages.filter(({ app, worker }) => !workers.get(workerKey(app, worker))?.reading);
  }

  /** False where there is none to be dropped. */
  #drop(page: DayPage | undefined): boolean {
    return page !== undefined && this.#pages.delete(workerKey(page.app, page.worker));
  }

  #open(app: string, worker: string, day = new DayRing(DAY_RING)): DayPage {
    const page = { app, worker, hour: new DayRing(HOUR_RING), day, round: 0 };
    this.#pages.set(workerKey(app, worker), page);
    return page;
  }

  #sampleOf(key: string, worker: WorkerState, resident: number): DaySample {
    const stats = worker.agent?.stats;
    return {
      resident,
      heap_used: stats?.heap_used ?? NaN,
      heap_live: stats?.heap_live ?? NaN,
      lag: stats?.loop?.p99_seconds ?? NaN,
      ...this.#gcSince(key, worker),
    };
  }

  /** From one telling of the agent to the next: a round in which it told nothing new has measured nothing. */
  #gcSince(key: string, { reading, agent, gc }: WorkerState): Pick<DaySample, 'gc_share' | 'spanMs'> {
    if (!agent?.stats || agent.statsAt === null || !gc) return NO_GC;
    const now = { process: reading!.root, seconds: gcSeconds(gc), at: agent.statsAt };
    const before = this.#gc.get(key);
    const isKnown = before !== undefined && sameProcess(before.process, now.process);
    // The later of two that speak for the worker in turns may have told it earlier.
    if (isKnown && now.at <= before.at) return NO_GC;
    this.#gc.set(key, now);
    if (!isKnown) return NO_GC;
    const spanMs = now.at - before.at;
    return { gc_share: Math.max(0, now.seconds - before.seconds) / (spanMs / 1000), spanMs };
  }
}
