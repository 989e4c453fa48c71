/** Pure: how far a median of few measurements can be trusted. */

export interface Interval {
  median: number;
  /** Of the values measured, those between which the true median lies with at least `confidence`. */
  low: number;
  high: number;
  /** 0 to 1; below what was asked for where there are too few values for it. */
  confidence: number;
}

/**
 * The median, and an interval of order statistics around it, which assumes nothing of how the values scatter: the true
 * median lies below the k-th of n values with the chance that fewer than k of n coins show heads.
 * David and Nagaraja, Order Statistics, 7.1. Throws RangeError where there is no value.
 */
export function medianInterval(values: readonly number[], confidence = 0.95): Interval {
  const sorted = values.toSorted((a, b) => a - b);
  const n = sorted.length;
  if (n === 0) throw new RangeError('a median of nothing');
  const middle = sorted.slice(Math.floor((n - 1) / 2), Math.floor(n / 2) + 1);
  const median = middle.reduce((sum, value) => sum + value, 0) / middle.length;
  let leftOut = 0; // at each end
  let beyond = 2 ** -n; // the chance that the true median is below the lowest that is left, and that it is above the highest
  for (let next = beyond; leftOut + 1 < n / 2; leftOut++) {
    next = (next * (n - leftOut)) / (leftOut + 1);
    if (1 - 2 * (beyond + next) < confidence) break;
    beyond += next;
  }
  return { median, low: sorted[leftOut]!, high: sorted[n - 1 - leftOut]!, confidence: 1 - 2 * beyond };
}
