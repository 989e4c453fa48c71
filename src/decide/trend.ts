/** Pure: whether a series grows, and how fast. Times in milliseconds, values in bytes. */
import type { Point } from '../observe/series.js';

export interface Trend {
  /** Where the growth that is spoken of begins. */
  from: number;
  /** Bytes a millisecond. */
  slope: number;
  /** Bytes, from the first point to the last. */
  growth: number;
  /** 0 to 1: how little chance explains it, and how even it is. */
  certainty: number;
}

export interface Search {
  now: number;
  /** The series is known at major GCs only, and those are few. */
  atCollections: boolean;
  /** The shortest time over which growth is believed. */
  shortestMs: number;
  /** Bytes of growth that are worth a word when seen over so long. */
  leastGrowth(spanMs: number): number;
}

/** Chance that no growth at all looks like this; one-sided. Five values, each above the last, have 0.014. */
const MOST_CHANCE = 0.02;
const FEWEST_POINTS = 5;
/**
 * V8 lets the heap grow by half or more before it collects again: from healthy to the limit there may be no more than
 * four or five major GCs. What each leaves behind has next to no noise, so four in order are enough; three are also
 * what a step looks like that a GC has cut in two. Chance orders n values so with 1 / n!.
 */
const FEWEST_COLLECTIONS = 4;
const FEW_COLLECTIONS = 6;
/** As a share of the time looked at: since the last GC nothing is known. */
const MOST_SINCE_COLLECTION = 0.5;
/** The slowest quarter of a steady growth, and its last one, against the whole: what levels off has less. */
const LEAST_QUARTER = 0.5;
const LEAST_LAST_QUARTER = 0.65;
/** As much faster growth just before is the mark of what levels off. */
const MOST_BEFORE = 1.3;
/** What has given back half as much before may do so again. */
const LEAST_RISE_PER_FALL = 2;
const INTERPOLATED = 24;
/**
 * In scatter over the root of the number of points: so much growth tells a flat last quarter from a growing one, at 2.5
 * standard errors. The error of a quarter's slope, by least squares with n / 4 points, is 4 √12 / √(n / 4) of it.
 */
const SURE_OF_A_QUARTER = (2.5 * 4 * Math.sqrt(12) * 2) / LEAST_LAST_QUARTER;

/**
 * The longest stretch up to now over which the series grows evenly; null where there is none. `read` gives the points
 * since a time. An even growth is significant, as large in each quarter, not slower than just before, and more than
 * twice what the series has ever given back; so a step, a ramp, a wave and a sawtooth are none.
 */
export function findTrend(readAll: (from: number) => Point[], search: Search): Trend | null {
  const { now, shortestMs, leastGrowth, atCollections } = search;
  const read = (from: number) => (atCollections ? changesOf(readAll(from)) : readAll(from));
  const life = read(-Infinity);
  const [first] = life;
  if (!first) return null;
  const fall = greatestFall(life);
  for (let span = now - first.at; span >= shortestMs; span /= 2) {
    const from = now - span;
    const points = read(from);
    if (points.length < (atCollections ? FEWEST_COLLECTIONS : FEWEST_POINTS)) continue;
    if (atCollections && now - points.at(-1)!.at > span * MOST_SINCE_COLLECTION) continue;
    const least = Math.max(leastGrowth(span), fall * LEAST_RISE_PER_FALL);
    // The cheap look first: most series do not grow.
    if (!(rise(points, 4) >= least * 0.8)) continue;
    const trend = evenTrend(points, atCollections);
    if (!trend || !(trend.growth >= least) || !(trend.growth > 0)) continue;
    const before = read(from - span).filter(({ at }) => at < from);
    if (spanOf(before) >= span / 4 && theilSen(before) > trend.slope * MOST_BEFORE) continue;
    return trend;
  }
  return null;
}

/** The growth over all these points; null where it is not significant, or not even. */
export function evenTrend(points: readonly Point[], atCollections: boolean): Trend | null {
  const trend = significantTrend(points, atCollections);
  if (!trend) return null;
  const isFew = atCollections && points.length < FEW_COLLECTIONS;
  const unsure = isFew ? 0 : (SURE_OF_A_QUARTER * scatterOf(points, trend.slope)) / Math.sqrt(points.length);
  if (!(trend.growth >= unsure)) return null;
  const quarters = quartersOf(points).map((quarter) => theilSen(quarter) / trend.slope);
  const evenness = Math.min(...quarters);
  if (!(evenness >= LEAST_QUARTER) || !(quarters.at(-1)! >= LEAST_LAST_QUARTER)) return null;
  return { ...trend, certainty: trend.certainty * Math.min(1, Math.sqrt(evenness)) };
}

/** The growth over all these points, even or not; null where there is none that chance does not explain. */
export function significantTrend(points: readonly Point[], atCollections: boolean): Trend | null {
  const isFew = atCollections && points.length < FEW_COLLECTIONS;
  if (points.length < (isFew ? FEWEST_COLLECTIONS : FEWEST_POINTS)) return null;
  const slope = theilSen(points);
  if (!(slope > 0)) return null;
  const chance = isFew ? orderChance(points) : mannKendall(points, slope);
  if (!(chance <= MOST_CHANCE) && !(isFew && chance < 1)) return null;
  // The ends tell of an S-shape that it has grown by less than its middle promised.
  const growth = Math.min(slope * spanOf(points), rise(points, 16));
  return { from: points[0]!.at, slope, growth, certainty: 1 - chance };
}

/**
 * The median of the slopes between all pairs of points; 29 % of wild values do not move it. NaN where there is none.
 * Sen (1968), Estimates of the Regression Coefficient Based on Kendall's Tau, doi:10.1080/01621459.1968.10480934.
 */
export function theilSen(points: readonly Point[]): number {
  const slopes = new Float64Array((points.length * (points.length - 1)) / 2);
  let n = 0;
  for (let i = 1; i < points.length; i++) {
    for (let j = 0; j < i; j++) {
      const ms = points[i]!.at - points[j]!.at;
      if (ms > 0) slopes[n++] = (points[i]!.value - points[j]!.value) / ms;
    }
  }
  return medianOf(slopes.subarray(0, n));
}

/**
 * The chance that points in random order rise as much, by the normal approximation with continuity correction: Kendall
 * (1975), Rank Correlation Methods, as in Gilbert (1987), Statistical Methods for Environmental Pollution Monitoring,
 * ch. 16. Neighbours that resemble each other count as fewer points: the variance grows by (1 + r) / (1 − r) with r the
 * lag-1 autocorrelation about the trend, the limit for many points of Yue and Wang (2004), doi:10.1023/B:WARM.0000043140.61082.60.
 */
function mannKendall(points: readonly Point[], slope: number): number {
  const n = points.length;
  let s = 0;
  for (let i = 1; i < n; i++) for (let j = 0; j < i; j++) s += Math.sign(points[i]!.value - points[j]!.value);
  const r = Math.min(0.9, Math.max(0, autocorrelation(points.map(({ at, value }) => value - slope * (at - points[0]!.at)))));
  const variance = (((n * (n - 1) * (2 * n + 5)) / 18) * (1 + r)) / (1 - r);
  return s <= 0 ? 1 : normalTail((s - 1) / Math.sqrt(variance));
}

/** 1 where they are not in order. */
function orderChance(points: readonly Point[]): number {
  if (points.some(({ value }, i) => i > 0 && !(value > points[i - 1]!.value))) return 1;
  return points.reduce((chance, _, i) => chance / (i + 1), 1);
}

function autocorrelation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  let covariance = 0;
  let variance = 0;
  for (let i = 0; i < values.length; i++) {
    variance += (values[i]! - mean) ** 2;
    if (i > 0) covariance += (values[i]! - mean) * (values[i - 1]! - mean);
  }
  return variance > 0 ? covariance / variance : 0;
}

/** P(Z > z) for z >= 0; Abramowitz and Stegun (1964), 26.2.17, error below 7.5e-8. */
function normalTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const polynomial = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return Math.max(0, (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial);
}

/** A value that is held until the next major GC is known at the moments when it changes, and at the first. */
export function changesOf(points: readonly Point[]): Point[] {
  return points.filter(({ value }, i) => i === 0 || value !== points[i - 1]!.value);
}

export function medianOf(values: Float64Array | readonly number[]): number {
  const sorted = Float64Array.from(values).toSorted();
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** From the level of the first part of the points to that of the last, carried on to the ends. */
function rise(points: readonly Point[], parts: number): number {
  const part = Math.max(1, Math.floor(points.length / parts));
  const level = (some: readonly Point[]) => medianOf(some.map(({ value }) => value));
  return ((level(points.slice(-part)) - level(points.slice(0, part))) * points.length) / (points.length - part);
}

/** Standard deviation about the trend, by the median: 1.4826 times the median absolute deviation, for normal noise. */
export function scatterOf(points: readonly Point[], slope: number): number {
  const rest = points.map(({ at, value }) => value - slope * (at - points[0]!.at));
  const middle = medianOf(rest);
  return 1.4826 * medianOf(rest.map((value) => Math.abs(value - middle)));
}

/** The most that the series has come down from an earlier height. */
function greatestFall(points: readonly Point[]): number {
  let top = -Infinity;
  return points.reduce((fall, { value }) => {
    top = Math.max(top, value);
    return Math.max(fall, top - value);
  }, 0);
}

/** By time; few points are joined by lines first, as a quarter may have none of them. */
function quartersOf(points: readonly Point[]): Point[][] {
  const dense = points.length >= INTERPOLATED ? points : interpolate(points, INTERPOLATED);
  const from = dense[0]!.at;
  const span = spanOf(dense);
  const quarters: Point[][] = [[], [], [], []];
  for (const point of dense) quarters[Math.min(3, Math.floor((4 * (point.at - from)) / span))]!.push(point);
  return quarters;
}

function interpolate(points: readonly Point[], count: number): Point[] {
  const [from, span] = [points[0]!.at, spanOf(points)];
  let next = 1;
  return Array.from({ length: count }, (_, i) => {
    const at = from + (span * i) / (count - 1);
    while (next < points.length - 1 && points[next]!.at < at) next += 1;
    const [a, b] = [points[next - 1]!, points[next]!];
    return { at, value: a.value + ((b.value - a.value) * (at - a.at)) / (b.at - a.at) };
  });
}

export function spanOf(points: readonly Point[]): number {
  return points.length === 0 ? 0 : points.at(-1)!.at - points[0]!.at;
}
