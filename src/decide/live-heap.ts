/** Pure: whether it is time to ask V8 what of a process's heap lives. */
import type { History } from '../observe/series.js';

/**
 * Left alone, V8 lets a heap that leaks grow by half or more before it collects: 20, 39, 73 and 97 MB are all that was
 * known of one on its way from 90 to 260 MB of resident memory. One more GC every five minutes costs some 0.05 % of a
 * CPU for each 100 MB of heap, so that a larger heap is asked in proportion more seldom.
 */
export const LEAST_BETWEEN_MS = 300_000;
const HEAP_AT_THAT = 256 * 2 ** 20;
/** Of the process's memory. What has come since the last GC is not worth another while it is less. */
const LEAST_COME = 0.04;

type Known = Pick<History, 'latest' | 'collectedAt'>;

/** `askedAt`: when it was last asked to collect; null: never. By the series' time. */
export function wantsCollection({ latest, collectedAt }: Known, askedAt: number | null): boolean {
  if (!latest?.runtime) return false;
  const { heapHeld, heapLive } = latest.runtime;
  const leastMs = LEAST_BETWEEN_MS * Math.max(1, heapHeld / HEAP_AT_THAT);
  if (latest.at - Math.max(collectedAt, askedAt ?? -Infinity) < leastMs) return false;
  return heapLive === null || heapHeld - heapLive >= LEAST_COME * latest.ownRss;
}
