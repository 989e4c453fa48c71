/** Pure: what a worker's process needs and takes, out of its memory over time. Bytes and milliseconds. */
import type { AppConfig } from '../config/schema.js';
import type { Column, History, Point } from '../observe/series.js';
import type { WorkerState } from '../observe/tracker.js';
import { youngBytes } from './heap-limit.js';
import { leastOf, type Leak } from './leak.js';
import { medianOf, spanOf } from './trend.js';

export interface Footing {
  /** The time over which the figures were measured; 0: by one look, now. */
  overMs: number;
  /**
   * Resident memory, as the app's limits mean it: the least (see leastOf; of what leaks, as it began if that was less),
   * the median, and the most there was.
   */
  least: number;
  usual: number;
  most: number;
  /** null where no agent reports. */
  heap: HeapFooting | null;
  /** Share of the time that garbage collection took, over so long; null where that is not known. */
  gc: { share: number; overMs: number } | null;
}

/** Without what a leak has added. */
export interface HeapFooting {
  /** V8's own, with room for the young generation. */
  limit: number;
  young: number;
  /** What major GCs leave; null before the first one. */
  live: number | null;
  /** The most that they have left, once. */
  liveMost: number | null;
  /** What V8 has taken from the system for the heap, garbage and reserve included. */
  reserved: number;
  /** Resident memory that is not the heap: external, native, and child processes where they count. */
  outside: number;
}

/** The last hour of GC tells of the present load; less than some minutes tell nothing. */
const GC_WINDOW_MS = 3_600_000;
const LEAST_GC_SLICES = 10;

/** null where no process runs. */
export function footingOf(
  { reading, agent }: WorkerState,
  history: History | null,
  { memory, leak }: { memory: AppConfig['memory']; leak: Leak | null },
): Footing | null {
  if (!reading) return null;
  const now = memory === 'tree' ? reading.treeRssBytes : reading.root.rssBytes;
  const column = memory === 'tree' ? 'tree' : 'root';
  const life = history?.read(column, -Infinity) ?? [];
  const stats = agent?.stats ?? null;
  const read = (name: Column): Point[] => history?.read(name, -Infinity) ?? [];
  /** By `of`, or where nothing has been measured yet, as it is now. */
  const known = (name: Column, of: (points: Point[]) => number, otherwise: number): number => {
    const points = read(name);
    return points.length > 0 ? of(points) : otherwise;
  };
  const held = leak ? leastOf : highOf;
  const heapOf = (): HeapFooting | null => {
    if (!stats || !agent) return null;
    const columns: Column[] = memory === 'tree' ? ['external', 'native', 'children'] : ['external', 'native'];
    const outside = columns.reduce((sum, name) => sum + known(name, held, NaN), 0);
    const live = known('heap', leak?.class === 'heap' ? leastOf : usualOf, stats.heap_live ?? NaN);
    return {
      limit: stats.heap_limit,
      young: youngBytes(agent.node),
      live: Number.isNaN(live) ? null : live,
      liveMost: history?.highest.heapLive || stats.heap_live,
      reserved: known('reserved', usualOf, stats.heap_total),
      outside: Math.max(0, Number.isNaN(outside) ? now - stats.heap_total : outside),
    };
  };
  return {
    overMs: spanOf(life),
    least: life.length === 0 ? now : leak ? Math.min(leastOf(life), usualOf(life.slice(0, FIRST))) : leastOf(life),
    usual: life.length > 0 ? usualOf(life) : now,
    most: history?.highest[column] || now,
    heap: heapOf(),
    gc: history && gcOf(history),
  };
}

function gcOf(history: History): Footing['gc'] {
  const points = history.read('gc', (history.latest?.at ?? 0) - GC_WINDOW_MS);
  const overMs = spanOf(points);
  if (points.length < LEAST_GC_SLICES) return null;
  const seconds = points.at(-1)!.value - points[0]!.value;
  // Less than before: another agent has begun to count.
  return seconds >= 0 ? { share: (seconds * 1000) / overMs, overMs } : null;
}

const FIRST = 3;
const usualOf = (points: readonly Point[]): number => medianOf(points.map(({ value }) => value));

const HIGH = 0.9;
function highOf(points: readonly Point[]): number {
  const sorted = Float64Array.from(points, ({ value }) => value).toSorted();
  return sorted[Math.floor(sorted.length * HIGH)]!;
}
