import { Cron } from 'croner';

/** Whether a five-field cron expression (local time) falls due after `sinceMs` and not after `nowMs`. Pure. */
export function isDue(expression: string, sinceMs: number, nowMs: number): boolean {
  const next = new Cron(expression).nextRun(new Date(sinceMs));
  return next !== null && next.getTime() <= nowMs;
}
