/** Pure: what a worker's chart draws, as bounded as the warden's own memory of it. */
import type { Range, WorkerHistory } from '../../publish/day.js';

export type Values = (number | null)[];
/** Bytes: memory, heap, and what of it lives. */
export type Row = readonly [number | null, number | null, number | null];

interface Shape {
  /** Seconds, both. */
  span: number;
  step: number;
  /** So much is shown at least, in seconds: what has just begun is not to be a speck at the edge. */
  least: number;
}

/** As the warden keeps them (observe/day.ts). */
const SHAPES: Readonly<Record<Range, Shape>> = {
  '1h': { span: 3600, step: 10, least: 300 },
  '24h': { span: 86_400, step: 120, least: 3600 },
};

export class Trace {
  /** Seconds since the Unix epoch, rising; the beginnings of slices. */
  times: number[] = [];
  columns: [Values, Values, Values] = [[], [], []];
  #shape: Shape;
  #now = -Infinity;

  constructor(range: Range) {
    this.#shape = SHAPES[range];
  }

  /** The past takes the place of what is there; the values are copied. */
  load(startSeconds: number, worker: WorkerHistory | undefined, range: Range): void {
    this.#shape = SHAPES[range];
    const rows = worker ? [worker.resident_memory_bytes, worker.heap_used_bytes, worker.heap_live_bytes] as const : [[], [], []] as const;
    this.times = rows[0].map((_, i) => startSeconds + i * this.#shape.step);
    this.columns = [[...rows[0]], [...rows[1]], [...rows[2]]];
    this.#now = Math.max(this.#now, this.times.at(-1) ?? -Infinity);
  }

  /** What has just been measured; of a slice the most is kept, and of what lives the last, as in the past. */
  push(atSeconds: number, row: Row): void {
    const { step, span } = this.#shape;
    const slice = Math.floor(atSeconds / step) * step;
    const last = this.times.at(-1) ?? -Infinity;
    this.#now = atSeconds;
    if (slice < last) return;
    if (slice > last) {
      this.times.push(slice);
      for (const column of this.columns) column.push(null);
    }
    const [memory, heap, live] = this.columns;
    const end = this.times.length - 1;
    memory[end] = most(memory[end], row[0]);
    heap[end] = most(heap[end], row[1]);
    live[end] = row[2] ?? live[end] ?? null;
    const old = this.times.length - span / step;
    if (old > 0) for (const list of [this.times, ...this.columns]) list.splice(0, old);
  }

  /** Seconds from and to: from the first that was measured, and no less and no more than the shape says. */
  get window(): [number, number] {
    const { span, least } = this.#shape;
    const to = Number.isFinite(this.#now) ? this.#now : 0;
    const first = this.times[this.columns[0].findIndex((value) => value !== null)] ?? to;
    return [Math.max(to - span, Math.min(first, to - least)), to];
  }
}

function most(a: number | null | undefined, b: number | null): number | null {
  return a === null || a === undefined ? b : b === null ? a : Math.max(a, b);
}
