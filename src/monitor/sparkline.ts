/** Pure: figures over time as characters. */
import type { Look } from './cells.js';

const BLOCKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/** The more ink the more; none is below the line. */
const ASCII = ['_', '.', ':', '-', '=', '+', '*', '#'];

type Values = readonly (number | null)[];

/** The newest at the right; each character the greatest of what falls into it, null (a gap) where nothing does. */
export function binned(values: Values, width: number): (number | null)[] {
  if (width <= 0) return [];
  const per = values.length / width;
  return Array.from({ length: width }, (_, i) => {
    const known = values.slice(Math.floor(i * per), Math.max(Math.floor(i * per) + 1, Math.floor((i + 1) * per))).filter((value) => value !== null);
    return known.length === 0 ? null : Math.max(...known);
  });
}

/** From 0 to `top`. */
export function sparkline(values: Values, width: number, top: number, { unicode }: Pick<Look, 'unicode'>): string {
  const steps = unicode ? BLOCKS : ASCII;
  const step = (value: number): string => steps[Math.min(steps.length - 1, Math.max(0, Math.floor((value / top) * steps.length)))]!;
  return binned(values, width).map((value) => (value === null ? ' ' : step(value))).join('');
}

/** `rows` lines, the uppermost first, from 0 to `top`. */
export function chart(values: Values, { width, rows, top }: { width: number; rows: number; top: number }, { unicode }: Pick<Look, 'unicode'>): string[] {
  const steps = unicode ? BLOCKS : ['.', ':', '#'];
  const heights = binned(values, width).map((value) => (value === null ? null : Math.min(rows, Math.max(0, (value / top) * rows))));
  return Array.from({ length: rows }, (_, i) => {
    const floor = rows - 1 - i;
    return heights
      .map((height) => {
        if (height === null) return ' ';
        const eighths = Math.round((height - floor) * steps.length);
        if (eighths >= steps.length) return steps.at(-1)!;
        // What is there is to be seen, be it ever so little.
        return eighths >= 1 ? steps[eighths - 1]! : floor === 0 ? steps[0]! : ' ';
      })
      .join('');
  });
}
