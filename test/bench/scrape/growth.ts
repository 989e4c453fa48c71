/** Pure: how a figure grows with the number of processes. */

/**
 * The exponent b of the power law a·n^b that fits best, by least squares of the logarithms: 1 is linear, 0 is constant.
 * NaN where there are fewer than two sizes, or a figure that is not above 0.
 */
export function exponentOf(points: readonly (readonly [size: number, figure: number])[]): number {
  const logs = points.map(([size, figure]) => [Math.log(size), Math.log(figure)] as const);
  const mean = (of: (log: readonly [number, number]) => number) => logs.reduce((sum, log) => sum + of(log), 0) / logs.length;
  const [meanX, meanY] = [mean(([x]) => x), mean(([, y]) => y)];
  const covariance = mean(([x, y]) => (x - meanX) * (y - meanY));
  const variance = mean(([x]) => (x - meanX) ** 2);
  return variance > 0 && Number.isFinite(covariance) ? covariance / variance : NaN;
}
