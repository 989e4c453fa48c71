/** Pure: what a list of measurements comes to, and when to begin each. */

export interface Summary {
  median: number;
  p95: number;
  max: number;
}

/** The least value that is not below `share` (0 to 1) of all of them: the nearest rank, so always one measured. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new RangeError('a percentile of nothing');
  return value;
}

export function summarize(values: readonly number[]): Summary {
  return { median: percentile(values, 0.5), p95: percentile(values, 0.95), max: percentile(values, 1) };
}

/**
 * `count` delays in milliseconds, in random order, spread over a period: one at random within each `count`-th of it. A
 * restarter that looks every `periodMs` is so met in every phase, with few runs too.
 */
export function phases(count: number, periodMs: number, random: () => number): number[] {
  return Array.from({ length: count }, (_, i) => ({ delayMs: ((i + random()) / count) * periodMs, order: random() }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ delayMs }) => delayMs);
}
