/** Pure: when a process that leaks reaches its restart limit for resident memory, and the words for it. */
import { LEAK_DEFAULTS, growthOf, type Companion, type Growth, type Leak, type LeakSettings } from './leak.js';
import { changesOf, medianOf, scatterOf, spanOf, theilSen } from './trend.js';
import type { AppConfig } from '../config/schema.js';
import type { History } from '../observe/series.js';
import { formatBytes, formatDuration, formatElapsed } from '../units.js';

export interface Outlook extends Pick<Growth, 'leak' | 'rates'> {
  /** Milliseconds until the `rss` restart limit, 0 at or above it; null where there is no trend, or no limit. */
  forecastMs: number | null;
  limitBytes: number | null;
  /** Milliseconds over which its memory has been measured, without its startup. */
  measuredMs: number;
}

type Terms = Pick<AppConfig, 'limits' | 'memory'>;
type MeasuredTrend = NonNullable<Growth['trend']>;

/** `app`: null where none is configured, which has no limit. */
export function outlookOf(history: History, app: Terms | null, settings: LeakSettings = LEAK_DEFAULTS): Outlook {
  const limitBytes = app?.limits.rss?.restart ?? null;
  const memory = app?.memory ?? 'tree';
  const { leak, rates, trend } = growthOf(history, { limitBytes, memory }, settings);
  const forecastMs = trend && limitBytes !== null ? timeUntil(limitBytes, history, memory, { trend, leak }) : null;
  const measuredMs = spanOf(history.read(memory === 'tree' ? 'tree' : 'root', -Infinity));
  return { leak, rates, forecastMs, limitBytes, measuredMs };
}

/** Slices whose middle is where it is now, 8 min by default: each is carried on to now, and the error of the slope with it. */
const LEVELS = 16;
/** Of a trend's time. What fills once (V8's reserve, pools, compiled code) is in the rest of it, and does not recur. */
const LATE = 2 / 3;
/** Garbage and reserve grow with a heap that leaks, and resident memory faster than what lives in it; to so much. */
const MOST_RESERVE = 2;
/**
 * The least that V8 lets a heap grow by between two collections, times what lives in it (kMinGrowingFactor in its
 * src/heap/heap-controller.h). At first that goes into the reserve that V8 took when the process started.
 */
const LEAST_RESERVE = 1.1;
/** In standard deviations: the height of a stair, by a uniform distribution, which is no growth of the reserve. */
const STAIR = Math.sqrt(12);

/** From the middle of the last slices, each carried on to now. */
function timeUntil(
  limitBytes: number,
  history: History,
  memory: AppConfig['memory'],
  { trend, leak }: { trend: MeasuredTrend; leak: Leak | null },
): number {
  const { at: now, treeRss, rootRss } = history.latest!;
  if ((memory === 'tree' ? treeRss : rootRss) >= limitBytes) return 0;
  const column = memory === 'tree' ? 'tree' : 'root';
  const slope = slopeAhead(history, column, trend, leak?.class === 'heap' ? LEAST_RESERVE : 1);
  const levels = history
    .recent(column)
    .filter(({ at }) => at >= trend.from)
    .slice(-LEVELS)
    .map(({ at, value }) => value + slope * (now - at));
  return Math.max(0, (limitBytes - medianOf(levels)) / slope);
}

/**
 * Bytes a millisecond that are to be expected of resident memory: as what lives has grown lately, with its `reserve`, or
 * as resident memory has, where that was more than V8's stairs explain. V8 takes memory for a heap in stairs, so that by
 * its slope alone a forecast comes too early after each.
 */
function slopeAhead(history: History, column: 'tree' | 'root', trend: MeasuredTrend, reserve: number): number {
  const from = history.latest!.at - LATE * (history.latest!.at - trend.from);
  const [lived, resident] = [history.read(trend.column, from), history.read(column, from)];
  const slope = theilSen(trend.column === 'collected' ? changesOf(lived) : lived) || trend.slope;
  const ofResident = theilSen(resident);
  const beyondStairs = ofResident - (STAIR * scatterOf(resident, ofResident)) / spanOf(resident) || 0;
  return Math.min(trend.slope * MOST_RESERVE, Math.max(trend.slope / MOST_RESERVE, slope * reserve, beyondStairs));
}

/** What people call Node's resource types; the others go by Node's own names. */
const RESOURCE_WORDS: Record<string, string> = {
  TCPSocketWrap: 'sockets',
  TCPServerWrap: 'servers',
  PipeWrap: 'pipes',
  Timeout: 'timers',
  Immediate: 'immediates',
  ProcessWrap: 'child processes',
  FSReqCallback: 'file operations',
  FSReqPromise: 'file operations',
  FSEventWrap: 'file watchers',
  Worker: 'worker threads',
};

const CLASS_WORDS: Record<Leak['class'], string> = {
  heap: 'its heap grows',
  buffers: 'its buffers (external memory) grow',
  native: 'its native memory (resident, unknown to V8) grows',
  children: 'its child processes grow',
  unknown: 'its memory grows (no agent has seen enough of it to tell which)',
};

const HOUR_SECONDS = 3600;

/**
 * One clause for people, such as "its heap grows by 31 MB an hour (confidence 0.9); at this rate it reaches 768 MB in
 * 4h10m; sockets: 12 → 840"; null where nothing leaks.
 */
export function describeLeak({ leak, forecastMs, limitBytes }: Pick<Outlook, 'leak' | 'forecastMs' | 'limitBytes'>): string | null {
  if (!leak) return null;
  const rate = formatBytes(leak.bytesPerSecond * HOUR_SECONDS);
  const grows = `${CLASS_WORDS[leak.class]} by ${rate} an hour (confidence ${leak.confidence.toFixed(1)})`;
  const limit = limitBytes === null || forecastMs === null ? [] : [describeForecast(limitBytes, forecastMs)];
  return [grows, ...limit, ...leak.companions.map(describeCompanion)].join('; ');
}

export const describeCompanion = ({ type, from, to }: Companion): string => `${RESOURCE_WORDS[type] ?? type}: ${from} → ${to}`;

function describeForecast(limitBytes: number, forecastMs: number): string {
  if (forecastMs === 0) return `it has reached ${formatBytes(limitBytes)}`;
  return `at this rate it reaches ${formatBytes(limitBytes)} in ${describeTime(Math.max(MINUTE_MS, forecastMs))}`;
}

const MINUTE_MS = 60_000;

/** A time as it is worth to be told: to the minute, from a day on to the hour; below a minute in seconds. */
export function describeTime(ms: number): string {
  if (ms < MINUTE_MS) return formatElapsed(ms);
  const unit = ms >= 1440 * MINUTE_MS ? 60 * MINUTE_MS : MINUTE_MS;
  return formatDuration(Math.round(ms / unit) * unit);
}
