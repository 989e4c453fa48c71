/** Pure: how a figure grows with the number of processes. */
import { exponentOf as fitted } from '../growth.js';

/** As ../growth.ts has it; NaN where there are fewer than two sizes, or a figure that is not above 0. */
export function exponentOf(points: readonly (readonly [size: number, figure: number])[]): number {
  const isWhole = points.every(([, figure]) => figure > 0);
  return (isWhole ? fitted(points.map(([size, value]) => ({ size, value }))) : null) ?? NaN;
}
