/** Pure: how a figure grows with its size. */

export interface Point {
  size: number;
  value: number;
}

/**
 * The exponent b of the power law a * size^b that fits best: the slope of the least-squares line through the logarithms.
 * 1 is linear. Null where it takes two different sizes with values above 0, and there are none.
 */
export function exponentOf(points: readonly Point[]): number | null {
  const logs = points.filter(({ size, value }) => size > 0 && value > 0).map(({ size, value }) => [Math.log(size), Math.log(value)] as const);
  const mean = (of: (log: readonly [number, number]) => number) => logs.reduce((sum, log) => sum + of(log), 0) / logs.length;
  const [x, y] = [mean((log) => log[0]), mean((log) => log[1])];
  const spread = mean((log) => (log[0] - x) ** 2);
  return logs.length > 1 && spread > 0 ? mean((log) => (log[0] - x) * (log[1] - y)) / spread : null;
}
