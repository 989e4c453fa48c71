/** Pure: what a process has gained since its baseline. Bytes and milliseconds; no trend, but what has been measured. */
import type { MemorySample } from '../observe/series.js';
import { formatBytes } from '../units.js';
import { describeTime } from './forecast.js';
import { LEAK_CLASSES, type LeakClass } from './leak.js';

export interface Gain {
  overMs: number;
  /** Of the tree. */
  bytes: number;
  /** Its parts: with V8's garbage and reserve under `heap`. Less than 0 where a part has shrunk. */
  parts: Record<LeakClass, number>;
}

/** null where an agent was or is missing. */
export function gainSince(baseline: MemorySample, now: MemorySample): Gain | null {
  const [before, after] = [partsOf(baseline), partsOf(now)];
  if (!before || !after) return null;
  const parts = Object.fromEntries(LEAK_CLASSES.map((name) => [name, after[name] - before[name]])) as Gain['parts'];
  return { overMs: now.at - baseline.at, bytes: now.treeRss - baseline.treeRss, parts };
}

function partsOf({ treeRss, ownRss, runtime }: MemorySample): Record<LeakClass, number> | null {
  if (!runtime) return null;
  const { heapTotal, external } = runtime;
  return { heap: heapTotal, buffers: external, native: ownRss - heapTotal - external, children: treeRss - ownRss };
}

/** Smaller parts go without saying. */
const LEAST_SHARE = 0.1;
const PART_WORDS: Record<LeakClass, string> = {
  heap: 'heap',
  buffers: 'buffers',
  native: 'native memory',
  children: 'child processes',
};

/**
 * One clause for people: "it has gained 219 MB since its baseline 3m before: heap 190 MB, native memory 29 MB"; null
 * without a gain.
 */
export function describeGain({ overMs, bytes, parts }: Gain): string | null {
  if (bytes <= 0) return null;
  const large = LEAK_CLASSES.filter((name) => parts[name] >= LEAST_SHARE * bytes).toSorted((a, b) => parts[b] - parts[a]);
  const words = large.map((name) => `${PART_WORDS[name]} ${formatBytes(parts[name])}`);
  return `it has gained ${formatBytes(bytes)} since its baseline ${describeTime(overMs)} before: ${words.join(', ')}`;
}
