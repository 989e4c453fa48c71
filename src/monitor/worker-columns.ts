/** Pure: what is told of each worker, and how much room it gets. */
import { widthOf, type Align, type Look } from './cells.js';
import { sparkline } from './sparkline.js';
import { gcOf, type Row } from './view.js';
import { bytes, delay, elapsed, heapShare, percent } from './words.js';

export interface Figure {
  title: string;
  align: Align;
  /** Cells that it has at the least. */
  least: number;
  text(row: Row): string;
}

/** In the order in which they are shown. */
export const FIGURES: readonly Figure[] = [
  { title: 'MEMORY', align: 'right', least: 7, text: ({ worker }) => bytes(worker.resident_memory_bytes) },
  { title: 'LIMIT', align: 'right', least: 7, text: ({ app }) => bytes(app.limits.rss?.restart) },
  { title: 'HEAP', align: 'right', least: 4, text: ({ worker }) => percent(heapShare(worker)) },
  { title: 'DELAY', align: 'right', least: 6, text: ({ worker }) => delay(worker.eventloop_lag_p99_seconds) },
  { title: 'GC', align: 'right', least: 4, text: (row) => percent(gcOf(row)) },
  { title: 'UP', align: 'right', least: 6, text: ({ worker }) => elapsed(worker.uptime_seconds) },
];

/** Against its restart limit, so that all rows can be compared; without one, against its own peak. */
export function topOf({ app, history, worker }: Row): number {
  const known = (history?.resident_memory_bytes ?? []).filter((value) => value !== null);
  const peak = known.reduce((most, value) => Math.max(most, value), worker.resident_memory_bytes ?? 0);
  return Math.max(1, peak, app.limits.rss?.restart ?? 0);
}

export function memoryLine(row: Row, width: number, look: Look): string {
  return sparkline(row.history?.resident_memory_bytes ?? [], width, topOf(row), look);
}

export interface Widths {
  name: number;
  state: number;
  spark: number;
}

/** A name that is cut is hard to tell from another; a line that is longer only shows more. */
export function widthsOf(names: readonly string[], states: readonly string[], room: number): Widths {
  const longest = (texts: readonly string[], least: number): number => texts.reduce((most, text) => Math.max(most, widthOf(text)), least);
  const state = Math.min(longest(states, 6), Math.max(13, Math.floor(room / 5)));
  const name = Math.min(longest(names, 6), Math.max(8, room - state - 2 - LEAST_SPARK));
  const spark = Math.min(MOST_SPARK, Math.max(0, room - state - name - 2));
  return { name, state, spark };
}

const LEAST_SPARK = 10;
/** As many slices of a minute as an hour has. */
const MOST_SPARK = 60;

