/** Pure: five-field cron expressions. Times in milliseconds since the Unix epoch; no time zone means the machine's. */
import { Cron } from 'croner';

export interface Window {
  /** When it opens. */
  cron: string;
  /** How long it stays open, in milliseconds. */
  duration: number;
}

/** The last time at which the expression fell due after `sinceMs` and not after `nowMs`; null where it did not. */
export function lastDue(cron: string, timeZone: string | undefined, sinceMs: number, nowMs: number): number | null {
  const [last] = cronOf(cron, timeZone).previousRuns(1, new Date(nowMs + 1));
  return last !== undefined && last.getTime() > sinceMs ? last.getTime() : null;
}

export function isOpen({ cron, duration }: Window, timeZone: string | undefined, nowMs: number): boolean {
  return lastDue(cron, timeZone, nowMs - duration, nowMs) !== null;
}

/** When the first of these windows opens next; null where none ever does. */
export function nextOpening(windows: readonly Window[], timeZone: string | undefined, nowMs: number): number | null {
  const openings = windows.flatMap(({ cron }) => cronOf(cron, timeZone).nextRun(new Date(nowMs)) ?? []);
  return openings.length === 0 ? null : Math.min(...openings.map((time) => time.getTime()));
}

/**
 * Where the clocks change, times that are named (`30 2,14 * * *`, `0 1-3 * * *`) come once each, and as the gap ends
 * where they do not exist. Those that have a wildcard or a step, of minutes or hours, go by the time that passes.
 */
function cronOf(cron: string, timeZone: string | undefined): Cron {
  const zone = timeZone === undefined ? {} : { timezone: timeZone };
  return new Cron(cron, { paused: true, fixedTimeRule: 'no-wildcard', ...zone });
}
