/** Pure: the last hour or day of an app's workers as the API tells it; names and units as in the metrics. */
import Type, { type Static } from 'typebox';
import type { DayBook, DayColumn, DayPage } from '../observe/day.js';
import { seconds } from './family.js';
import { nullable } from './shape.js';

export const RANGES = ['1h', '24h'] as const;
export type Range = (typeof RANGES)[number];

const column = (description?: string) =>
  Type.Array(nullable(Type.Number()), description === undefined ? {} : { description });

/** Oldest first; null where nothing was measured. */
export const WorkerHistory = Type.Object({
  worker: Type.String(),
  resident_memory_bytes: column(),
  heap_used_bytes: column(),
  heap_live_bytes: column(),
  eventloop_lag_p99_seconds: column(),
  gc_ratio: column('share of the time that garbage collections took'),
});
export type WorkerHistory = Static<typeof WorkerHistory>;

export const AppHistory = Type.Object({
  app: Type.String(),
  start_seconds: Type.Number({ description: 'of the first value, since the Unix epoch' }),
  step_seconds: Type.Number(),
  workers: Type.Array(WorkerHistory),
});
export type AppHistory = Static<typeof AppHistory>;

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
      const columnOf = (name: DayColumn, known: (value: number) => number) =>
        columns[name].map((value) => (Number.isNaN(value) ? null : known(value)));
      return {
        worker,
        resident_memory_bytes: columnOf('resident', Math.round),
        heap_used_bytes: columnOf('heap_used', Math.round),
        heap_live_bytes: columnOf('heap_live', Math.round),
        eventloop_lag_p99_seconds: columnOf('lag', (value) => Number(value.toFixed(5))),
        gc_ratio: columnOf('gc_share', (value) => Math.min(1, Number(value.toFixed(4)))),
      };
    }),
  };
}
