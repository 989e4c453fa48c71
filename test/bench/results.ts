/** Pure: what was measured, what it comes to, and which promises it keeps. */
import type { Role } from './contestants.js';
import type { Cycle } from './cycle.js';
import { percentile } from './figures.js';
import type { LoadReport } from './load.js';

/** `error`: why there are no, or not all, figures. */
export interface TimedResult {
  name: string;
  role: Role;
  cycles: Cycle[];
  error: string | null;
}

export interface LoadedResult {
  name: string;
  role: Role;
  restarts: number;
  load: LoadReport | null;
  error: string | null;
}

export interface Promised {
  what: string;
  kept: boolean;
  found: string;
}

const LEAST_RATIO = 10;

export function judge(timed: readonly TimedResult[], loaded: readonly LoadedResult[]): Promised[] {
  const yardstick = timed.find(({ role }) => role === 'yardstick');
  const compared = yardstick
    ? timed.filter(({ role }) => role === 'promise').flatMap((result) => compare(result, yardstick))
    : [];
  return [...compared, ...loaded.filter(({ role }) => role === 'promise').map(nothingLost)];
}

function compare(result: TimedResult, yardstick: TimedResult): Promised[] {
  const medians = (of: (cycle: Cycle) => number) =>
    [yardstick, result].map(({ cycles }) => (cycles.length > 0 ? percentile(cycles.map(of), 0.5) : null));
  const promise = (subject: string, of: (cycle: Cycle) => number): Promised => {
    const [theirs = null, ours = null] = medians(of);
    const what = `${result.name}: ${subject} at least ${LEAST_RATIO} times less than ${yardstick.name}`;
    const error = yardstick.error ?? result.error;
    if (error !== null || theirs === null || ours === null) return { what, kept: false, found: error ?? 'not measured' };
    // An overshoot may be 0 or less, where the last sample was the first one at the limit.
    const ratio = theirs / Math.max(ours, 1);
    return { what, kept: ratio >= LEAST_RATIO, found: `${ratio.toFixed(1)} times (medians)` };
  };
  return [
    promise('from the limit crossed to the process replaced', ({ answeringMs }) => answeringMs),
    promise('overshoot', ({ overshootBytes }) => overshootBytes),
  ];
}

function nothingLost({ name, load, error }: LoadedResult): Promised {
  const what = `${name}: no request fails or hangs`;
  if (error !== null || !load) return { what, kept: false, found: error ?? 'not measured' };
  const { failed, hanging, sent } = load;
  return { what, kept: failed + hanging === 0, found: `${failed} failed, ${hanging} hanging of ${sent}` };
}
