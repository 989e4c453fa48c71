/** Pure: what of a process leaks, and how fast. */
import type { AppConfig } from '../config/schema.js';
import { medianOf, changesOf, findTrend, significantTrend, spanOf, type Trend } from './trend.js';
import type { Column, History, Point } from '../observe/series.js';

/**
 * `heap`: JavaScript objects. `buffers`: external memory, array buffers included. `native`: resident and unknown to V8.
 * `children`: the processes below.
 */
export const LEAK_CLASSES = ['heap', 'buffers', 'native', 'children'] as const;
export type LeakClass = (typeof LEAK_CLASSES)[number];

/** Resources that grow with the memory: `type` is Node's, counts then and now. */
export interface Companion {
  type: string;
  from: number;
  to: number;
}

export interface Leak {
  /** Where most of the growth is; `unknown` where no agent tells, or none has for long enough yet. */
  class: LeakClass | 'unknown';
  bytesPerSecond: number;
  /** 0 to 1. */
  confidence: number;
  companions: Companion[];
}

export interface Growth {
  leak: Leak | null;
  /** Bytes a second of each class that is measured; 0 where it does not grow beyond doubt. */
  rates: Partial<Record<LeakClass, number>>;
  /** Of the memory as a whole, and by which column; null where there is no leak. */
  trend: (Trend & { column: Column }) | null;
}

export interface LeakSettings {
  /** The shortest time over which growth is believed, in milliseconds. */
  shortestMs: number;
  /** One turn of the load. */
  dayMs: number;
}

export const LEAK_DEFAULTS: LeakSettings = { shortestMs: 600_000, dayMs: 86_400_000 };

/**
 * Growth that the load of a day, or a cache that fills, may explain, as a share of the least memory that the process
 * has had. What has grown evenly for longer than a day is explained by neither.
 */
const WITHIN_A_DAY = 0.4;
/**
 * Where the restart limit is close, a share of what there is between: else the word would come too late. A growth must
 * be seen whole, and none is seen before the startup is over: a third of the way is known before half of it.
 */
const OF_HEADROOM = 1 / 3;
/** Where nobody knows garbage from live objects: a sawtooth whose teeth reach for the limit is none. */
const OF_HEADROOM_BLIND = 0.8;
const AT_ALL = 0.1;
/** Without an agent nobody knows garbage from live objects. */
const BLIND_FACTOR = 2;
const BLIND_CONFIDENCE = 0.5;
/** A class whose share of the growth is smaller does not take part in it. */
const LEAST_SHARE = 0.1;
/** As much of the growth must be found in the classes; the rest would be garbage that V8 is in no hurry to collect. */
const EXPLAINED = 0.5;
/** A share of a time: a class that was measured for less of it, as the agent came late, is not known over that time. */
const COVERED = 0.5;
/** The same where the classes have to explain the growth: heap and buffers are known from one major GC to the next only. */
const EXPLAINS = 0.8;
/**
 * The classes of an agent that came late are looked at anew with each slice, until one explains the growth: in shortest
 * times and as a certainty, what keeps chance from being taken for it.
 */
const LATE_TIMES = 3;
const LATE_CERTAINTY = 0.99;

/**
 * `limitBytes`: the restart limit of what `memory` counts; null where there is none. Shapes: no leak and no rates where
 * too little has been seen.
 */
export function growthOf(
  history: History,
  { limitBytes, memory }: { limitBytes: number | null; memory: AppConfig['memory'] },
  settings: LeakSettings = LEAK_DEFAULTS,
): Growth {
  const now = history.latest?.at ?? 0;
  const measured = memory === 'tree' ? 'tree' : 'root';
  const life = history.read(measured, -Infinity);
  if (!history.latest || spanOf(life) < settings.shortestMs) return { leak: null, rates: {}, trend: null };
  const base = leastOf(life);
  const known = LEAK_CLASSES.filter((name) => (memory === 'tree' || name !== 'children') && hasValues(history, name, now, settings));
  const hasAgent = known.includes('native');
  const isBlindSince = (from: number, share = COVERED) => !hasAgent || !isCovered(history, 'native', from, share);
  const leastGrowth = (spanMs: number): number => {
    const isBlind = isBlindSince(now - spanMs);
    const factor = isBlind ? BLIND_FACTOR : 1;
    const share = isBlind ? OF_HEADROOM_BLIND : OF_HEADROOM;
    const headroom = limitBytes === null ? Infinity : share * (limitBytes - base);
    const atAll = factor * AT_ALL * base;
    return spanMs > settings.dayMs ? atAll : Math.max(atAll, Math.min(factor * WITHIN_A_DAY * base, headroom));
  };
  // Memory without garbage shows a leak first, from GC to GC where they are few; then all that is resident.
  const columns: Column[] = !hasAgent || memory === 'process' ? [measured] : ['live', 'collected', measured];
  for (const column of columns) {
    const search = { now, atCollections: column === 'collected', shortestMs: settings.shortestMs, leastGrowth };
    const trend = findTrend((from) => history.read(column, from), search);
    const isBlind = trend !== null && isBlindSince(trend.from, EXPLAINS);
    const growth = trend && attribute(history, { ...trend, column }, { known, isBlind, settings });
    if (growth) return growth;
  }
  return { leak: null, rates: Object.fromEntries(known.map((name) => [name, 0])), trend: null };
}

/** The middle of the lowest eighth: one odd value is not what a process needs. */
export function leastOf(life: readonly Point[]): number {
  const sorted = Float64Array.from(life, ({ value }) => value).toSorted();
  return medianOf(sorted.subarray(0, Math.ceil(sorted.length / 8)));
}

function attribute(
  history: History,
  trend: NonNullable<Growth['trend']>,
  { known, isBlind, settings }: { known: readonly LeakClass[]; isBlind: boolean; settings: LeakSettings },
): Growth | null {
  const slopes = known.map((name) => ({ name, slope: classSlope(history, name, trend, settings) }));
  const explained = slopes.reduce((sum, { slope }) => sum + slope, 0) / trend.slope;
  const most = slopes.reduce<{ name: Leak['class']; slope: number }>(
    (best, one) => (one.slope > best.slope ? one : best),
    { name: 'unknown', slope: 0 },
  );
  if (!isBlind && !(explained >= EXPLAINED)) return null;
  const [name, slope] = isBlind && explained < EXPLAINED ? (['unknown', trend.slope] as const) : [most.name, most.slope];
  const share = Math.min(1, slope / trend.slope);
  return {
    trend,
    rates: Object.fromEntries(slopes.map((one) => [one.name, one.slope * 1000])),
    leak: {
      class: name,
      bytesPerSecond: slope * 1000,
      confidence: trend.certainty * (0.5 + 0.5 * share) * (name === 'unknown' ? BLIND_CONFIDENCE : 1),
      companions: companionsOf(history),
    },
  };
}

/** Bytes a millisecond over the time of the trend; 0 where chance or too small a share explains it. */
function classSlope(history: History, name: LeakClass, trend: Trend, settings: LeakSettings): number {
  const isHeld = name === 'heap' || name === 'buffers';
  const slopeOf = (points: Point[], leastCertainty: number): number => {
    const found = significantTrend(isHeld ? changesOf(points) : points, isHeld);
    return found && found.certainty >= leastCertainty && found.slope >= LEAST_SHARE * trend.slope ? found.slope : 0;
  };
  if (isCovered(history, name, trend.from)) return slopeOf(history.read(name, trend.from), 0);
  // The trend has seen more of it: so short a time tells what grows, but not that it grows faster.
  return Math.min(trend.slope, slopeOf(lateValues(history, name, trend, settings), LATE_CERTAINTY));
}

/** Since the class is measured, as finely as is kept so far back; none where that is too short. */
function lateValues(history: History, name: LeakClass, trend: Trend, { shortestMs }: LeakSettings): Point[] {
  const now = history.latest!.at;
  for (let span = (now - trend.from) / 2; span >= shortestMs; span /= 2) {
    if (!isCovered(history, name, now - span)) continue;
    const points = history.read(name, history.read(name, now - span)[0]?.at ?? now);
    return spanOf(points) >= LATE_TIMES * shortestMs ? points : [];
  }
  return [];
}

/** Of the slices since then that have ended. */
function isCovered(history: History, name: LeakClass, from: number, share = COVERED): boolean {
  return history.read(name, from).length >= share * history.read('root', from).length;
}

/** Measured lately, not only before the agent went away. Of one that came late, the slices of a long life tell nothing. */
function hasValues(history: History, column: Column, now: number, { shortestMs }: LeakSettings): boolean {
  const life = history.read(column, -Infinity);
  const last = history.recent(column).at(-1) ?? life.at(-1);
  return last !== undefined && now - last.at <= Math.max(shortestMs, spanOf(life) / 4);
}

const FEWEST_SNAPSHOTS = 4;
const LEAST_MORE = 10;
const LEAST_RATIO = 1.5;

/** Counts that have kept growing: each third of the time has more than the one before. Greatest growth first. */
function companionsOf({ snapshots }: History): Companion[] {
  if (snapshots.length < FEWEST_SNAPSHOTS) return [];
  const types = new Set(snapshots.flatMap(({ resources }) => Object.keys(resources)));
  const third = Math.ceil(snapshots.length / 3);
  return [...types]
    .flatMap((type) => {
      const counts = snapshots.map(({ resources }) => resources[type] ?? 0);
      const [early, middle, late] = [0, 1, 2].map((i) => medianOf(counts.slice(i * third, (i + 1) * third)));
      const [from, to] = [counts[0]!, counts.at(-1)!];
      const grows = early! < middle! && middle! < late! && to - from >= LEAST_MORE && to >= from * LEAST_RATIO;
      return grows ? [{ type, from, to }] : [];
    })
    .toSorted((a, b) => b.to - b.from - (a.to - a.from))
    .slice(0, 5);
}
