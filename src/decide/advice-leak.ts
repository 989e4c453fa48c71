/** Pure: what leaks, who is suspected of it, and how often that makes a restart necessary. */
import { formatBytes } from '../units.js';
import type { Finding, Given, PastRestart } from './finding.js';
import { describeLeak, describeTime } from './forecast.js';
import type { Leak } from './leak.js';
import { medianOf } from './trend.js';

export function leakAdvice(given: Given): Finding[] {
  const interval = intervalByRestarts(given) ?? intervalByTrend(given);
  return [leak(given), leakedBefore(given), suspect(given), interval].filter((finding) => finding !== null);
}

function leak({ outlook, app, state }: Given): Finding | null {
  const words = outlook && describeLeak(outlook);
  if (!outlook?.leak || !words) return null;
  const { class: name, bytesPerSecond, confidence } = outlook.leak;
  return {
    code: 'leak',
    figures: {
      class: name,
      bytes_per_second: Math.round(bytesPerSecond),
      confidence: Number(confidence.toFixed(2)),
      forecast_seconds: outlook.forecastMs === null ? null : Math.round(outlook.forecastMs / 1000),
    },
    measuredMs: outlook.measuredMs,
    sentence: `leaks: ${words}; measured for ${describeTime(outlook.measuredMs)}`,
    change: name === 'heap' ? whoAllocates(app) : name === 'unknown' && state.agent?.stats ? null : WHERE_TO_LOOK[name],
  };
}

const WHERE_TO_LOOK: Record<Exclude<Leak['class'], 'heap'>, string> = {
  buffers: 'look for Buffers and ArrayBuffers that are kept, as in caches and unread streams; no V8 flag bounds them',
  native: 'look at native modules, and at how malloc holds on to memory: try MALLOC_ARENA_MAX=2, or jemalloc',
  children: 'look at its child processes: heapwarden counts them with it',
  unknown: 'start it with the agent, which tells heap, buffers and native memory apart',
};

function whoAllocates({ evidence }: Given['app']): string {
  const names = 'restart for its memory keeps the names of those who allocate it (suspects.txt in its evidence)';
  return evidence.profile && evidence.keep > 0 ? `the next ${names}` : `set evidence: { profile: true, keep: 10 }: then a ${names}`;
}

function leakedBefore({ restarts, footing: { overMs }, pace }: Given): Finding | null {
  const last = restarts.find(({ asked }) => isOfMemory(asked));
  if (!last || last.leak === null || overMs >= pace.leak.shortestMs) return null;
  return {
    code: 'leaked_before',
    figures: { incident: last.id },
    measuredMs: last.ranMs ?? 0,
    sentence: `leaked before it was restarted at ${timeOf(last)}: ${last.leak}`,
    change: null,
  };
}

function suspect({ restarts }: Given): Finding | null {
  const last = restarts.find(({ finding, asked }) => finding !== null && isOfMemory(asked));
  if (!last) return null;
  return {
    code: 'suspect',
    figures: { incident: last.id },
    measuredMs: last.ranMs ?? 0,
    sentence: `was restarted for its memory at ${timeOf(last)}: ${last.finding}`,
    change: last.folder === null ? null : `read ${last.folder}/suspects.txt`,
  };
}

const timeOf = ({ atMs }: PastRestart): string => new Date(atMs).toISOString().replace(/\.\d+Z$/, 'Z');
const isOfMemory = (asked: string): boolean => asked === 'rss' || asked === 'heap';

const FEWEST_RESTARTS = 3;
const MOST_RESTARTS = 10;

function intervalByRestarts(given: Given): Finding | null {
  const known = given.restarts.filter(({ asked, ranMs }) => isOfMemory(asked) && ranMs !== null).slice(0, MOST_RESTARTS);
  if (known.length < FEWEST_RESTARTS) return null;
  const ran = known.map(({ ranMs }) => ranMs!).toSorted((a, b) => a - b);
  const middle = medianOf(ran);
  const rates = known.flatMap((restart) => rateOf(restart) ?? []);
  if (hasOutlived(given, ran.at(-1)!)) return null;
  const oldest = known.at(-1)!;
  const range = `${describeTime(ran[0]!)} to ${describeTime(ran.at(-1)!)}`;
  return {
    code: 'restart_interval',
    figures: {
      by: 'restarts',
      seconds: Math.round(middle / 1000),
      restarts: known.length,
      bytes_per_second: rates.length > 0 ? Math.round(medianOf(rates)) : null,
    },
    measuredMs: given.nowMs - oldest.atMs + oldest.ranMs!,
    sentence:
      `was restarted for its memory after ${describeTime(middle)} in the median of its last ${known.length} ` +
      `such restarts (${range})`,
    change: scheduleFor(given, middle, null),
  };
}

/** Without a leak, though it has been measured for long enough to tell one: what made them necessary is over. */
function hasOutlived({ state, outlook, footing, pace, nowMs }: Given, longestMs: number): boolean {
  if (outlook?.leak || footing.overMs < pace.leak.shortestMs) return false;
  return nowMs - state.reading!.startedAtMs > longestMs;
}

/** Bytes a second, from one start to the next; null where that is not known. */
function rateOf({ beforeBytes, afterBytes, ranMs }: PastRestart): number | null {
  if (beforeBytes === null || afterBytes === null || !ranMs || beforeBytes <= afterBytes) return null;
  return (beforeBytes - afterBytes) / (ranMs / 1000);
}

function intervalByTrend(given: Given): Finding | null {
  const { outlook, footing } = given;
  const limit = outlook?.limitBytes ?? null;
  if (!outlook?.leak || limit === null || footing.least >= limit) return null;
  const all = Object.values(outlook.rates).reduce((sum, rate) => sum + rate, 0);
  const perSecond = Math.max(all, outlook.leak.bytesPerSecond);
  const intervalMs = ((limit - footing.least) / perSecond) * 1000;
  return {
    code: 'restart_interval',
    figures: {
      by: 'trend',
      seconds: Math.round(intervalMs / 1000),
      restarts: 0,
      bytes_per_second: Math.round(perSecond),
    },
    measuredMs: outlook.measuredMs,
    sentence:
      `reaches its restart limit of ${formatBytes(limit)} about every ${describeTime(intervalMs)} at this rate, ` +
      `from its baseline of ${formatBytes(footing.least)}; measured for ${describeTime(outlook.measuredMs)}`,
    change: scheduleFor(given, intervalMs, (ms) => footing.least + (perSecond * ms) / 1000),
  };
}

const HOUR_MS = 3_600_000;
/** Hours between the restarts of a schedule, and its cron. */
const SCHEDULES = [
  [168, '0 4 * * 0'], [24, '0 4 * * *'], [12, '0 4,16 * * *'], [8, '0 */8 * * *'], [6, '0 */6 * * *'],
  [4, '0 */4 * * *'], [3, '0 */3 * * *'], [2, '0 */2 * * *'], [1, '0 * * * *'],
] as const;
const TOO_OFTEN = 'too often for a schedule to help: the leak has to be found, or the limit is below what the app needs';
/** A rate is not the same every day. */
const IN_TIME = 0.8;

/** `levelAfter`: bytes after so many milliseconds; null where that is not known. */
function scheduleFor({ app }: Given, intervalMs: number, levelAfter: ((ms: number) => number) | null): string | null {
  if (app.schedule !== undefined || app.limits.uptime?.restart !== undefined) return null;
  const found = SCHEDULES.find(([hours]) => hours * HOUR_MS <= intervalMs * IN_TIME);
  if (!found) return TOO_OFTEN;
  const [hours, cron] = found;
  const level = levelAfter ? `, at about ${formatBytes(levelAfter(hours * HOUR_MS))}` : '';
  return `schedule: "${cron}" would restart it before the limit does, at hours of your choice${level}`;
}
