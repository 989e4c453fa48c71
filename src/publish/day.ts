/** Pure: the last hour or day of an app's workers as the API tells it; names and units as in the metrics. */
import type { DayBook, DayColumn, DayPage } from '../observe/day.js';
import { seconds } from './family.js';

export const RANGES = ['1h', '24h'] as const;
export type Range = (typeof RANGES)[number];

/** Oldest first; null where nothing was measured. */
export interface WorkerHistory {
  worker: string;
  resident_memory_bytes: (number | null)[];
  heap_used_bytes: (number | null)[];
  heap_live_bytes: (number | null)[];
  eventloop_lag_p99_seconds: (number | null)[];
  /** Share of the time that garbage collections took. */
  gc_ratio: (number | null)[];
}

export interface AppHistory {
  app: string;
  /** Of the first value, since the Unix epoch. */
  start_seconds: number;
  step_seconds: number;
  workers: WorkerHistory[];
}

/** Of all its workers, or of this one. */
export function appHistory(book: DayBook, app: string, range: Range, nowMs: number, worker?: string): AppHistory {
  const ringOf = ({ hour, day }: DayPage) => (range === '1h' ? hour : day);
  const read = book.pages
    .filter((page) => page.app === app && (worker === undefined || page.worker === worker))
    .toSorted((a, b) => a.worker.localeCompare(b.worker, 'en', { numeric: true }))
    .map((page) => ({ worker: page.worker, values: ringOf(page).read(nowMs) }));
  const { startMs, sliceMs } = read[0]?.values ?? { startMs: nowMs, sliceMs: 1000 };
  return {
    app,
    start_seconds: seconds(startMs),
    step_seconds: seconds(sliceMs),
    workers: read.map(({ worker, values: { columns } }) => {
      const column = (name: DayColumn, known: (value: number) => number) =>
        columns[name].map((value) => (Number.isNaN(value) ? null : known(value)));
      const ratio = (value: number) => Math.min(1, Number((value / seconds(sliceMs)).toFixed(4)));
      return {
        worker,
        resident_memory_bytes: column('resident', Math.round),
        heap_used_bytes: column('heap_used', Math.round),
        heap_live_bytes: column('heap_live', Math.round),
        eventloop_lag_p99_seconds: column('lag', (value) => Number(value.toFixed(5))),
        gc_ratio: column('gc', ratio),
      };
    }),
  };
}
