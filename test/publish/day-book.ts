import { DayBook } from '../../src/observe/day.js';
import { HOUR, NOW, SECOND, workerOf, workersOf } from '../decide/support.js';

/** Both rings begin a slice with it. */
export const START = Math.floor(NOW / HOUR) * HOUR;

/** Worker `shop/0` for an hour until `end`: garbage collections take this share of its time. */
export function bookOf({ share, everyMs, end }: { share: number; everyMs: number; end: number }): DayBook {
  const book = new DayBook();
  const none = { count: 0, sum_seconds: 0, buckets: [0, 0, 0, 0, 0, 0] };
  for (let at = end - HOUR; at <= end; at += everyMs) {
    const major = { ...none, count: 1, sum_seconds: (share * (at - end + HOUR)) / SECOND };
    const stats = { gc: { major, minor: none, incremental: none, weakcb: none } };
    book.add(workersOf(workerOf({ stats, observedAtMs: at })), () => 1);
  }
  return book;
}
