/** Pure: what keeps a worker from being restarted that has crossed its limit. A person's force passes over all of it. */
import type { AppConfig } from '../config/schema.js';
import type { WorkerState } from '../observe/tracker.js';
import { formatDuration, formatElapsed } from '../units.js';
import { isByPerson, type Ask, type Refusal } from './decision.js';
import { isOpen, nextOpening } from './schedule.js';

/** So many restarts in a row that did not help are enough: one more would not either. */
export const MOST_FRUITLESS = 3;

/** What has been, as far as the gates need to know it. */
export interface Past {
  /** Milliseconds since this worker's last restart was over, or was decided where it is not; null where there was none. */
  sinceLastRestartMs: number | null;
  /** Restarts of the app inside its budget window. */
  restartsInWindow: number;
  /** This worker's restarts in a row that did not help, since a person or a new release last had a say. */
  fruitless: number;
  /** The app's other workers: how many there are, and how many would be up during this restart. */
  others: Others;
}

export interface Others {
  count: number;
  up: number;
}

/** A person's pause; `untilMs` null: until a person resumes. */
export interface Pause {
  untilMs: number | null;
}

export type Refused = [Refusal, string];

export function isPaused(pause: Pause | null, nowMs: number): boolean {
  return pause !== null && (pause.untilMs === null || pause.untilMs > nowMs);
}

export function pauseRefusal(pause: Pause | null, nowMs: number): Refused | null {
  if (!pause || !isPaused(pause, nowMs)) return null;
  const until = pause.untilMs === null ? 'until somebody resumes it' : `for another ${formatElapsed(pause.untilMs - nowMs)}`;
  return ['paused', `the app is paused ${until}`];
}

/** The first gate that is shut; null where all are open. */
export function gateRefusal(ask: Ask, app: AppConfig, worker: WorkerState, past: Past, nowMs: number): Refused | null {
  return (
    windowRefusal(ask, app, nowMs) ??
    graceRefusal(app, worker, nowMs) ??
    ineffectiveRefusal(ask, past) ??
    cooldownRefusal(app, past) ??
    budgetRefusal(app, past) ??
    availabilityRefusal(ask, app, worker, past)
  );
}

export function isInWindow({ windows, time_zone }: AppConfig, nowMs: number): boolean {
  return windows === undefined || windows.some((window) => isOpen(window, time_zone, nowMs));
}

/**
 * Why a restart would leave the app with fewer workers than its min_available, or null where it would not. An app with
 * fewer workers than that is asked for all the others it has. To restart what does not run, or was measured to be frozen,
 * takes nothing away.
 */
export function tooFewOthers(
  reason: Ask['reason'],
  app: AppConfig,
  worker: WorkerState,
  { count, up }: Others,
): string | null {
  const { min_available } = app.restart;
  if (!worker.reading || reason === 'freeze' || up >= Math.min(min_available, count)) return null;
  return `${up === 0 ? 'none' : `only ${up}`} of its other workers would be up, and min_available is ${min_available}`;
}

/** Where the app says so, a freeze does not wait for a window. */
export function isTimely(reason: Ask['reason'], app: AppConfig, nowMs: number): boolean {
  return isInWindow(app, nowMs) || (reason === 'freeze' && app.outside_windows === 'freeze');
}

function windowRefusal({ reason }: Ask, app: AppConfig, nowMs: number): Refused | null {
  if (isTimely(reason, app, nowMs)) return null;
  const opensMs = nextOpening(app.windows ?? [], app.time_zone, nowMs);
  const when = opensMs === null ? 'none opens any more' : `the next one opens in ${formatElapsed(opensMs - nowMs)}`;
  return ['outside_window', `this is outside its maintenance windows, and ${when}`];
}

function graceRefusal({ restart: { startup_grace } }: AppConfig, { reading }: WorkerState, nowMs: number): Refused | null {
  const ageMs = reading ? nowMs - reading.startedAtMs : Infinity;
  if (ageMs >= startup_grace) return null;
  const [age, grace] = [formatElapsed(Math.max(0, ageMs)), formatDuration(startup_grace)];
  return ['startup_grace', `the process is ${age} old, less than its startup_grace of ${grace}`];
}

function ineffectiveRefusal(ask: Ask, { fruitless }: Past): Refused | null {
  if (fruitless < MOST_FRUITLESS || isByPerson(ask)) return null;
  const what = `its last ${fruitless} restarts did not help, so one more would not either`;
  return ['ineffective', `${what}; a person's restart or "resume", or a new release, lets it be tried again`];
}

function cooldownRefusal({ restart: { cooldown } }: AppConfig, { sinceLastRestartMs }: Past): Refused | null {
  const restMs = sinceLastRestartMs === null ? 0 : cooldown - sinceLastRestartMs;
  if (restMs <= 0) return null;
  const [length, rest] = [formatDuration(cooldown), formatElapsed(restMs)];
  return ['cooldown', `its last restart, or try at one, was a short while ago; its cooldown of ${length} ends in ${rest}`];
}

function budgetRefusal({ restart: { budget } }: AppConfig, { restartsInWindow }: Past): Refused | null {
  if (restartsInWindow < budget.count) return null;
  return ['budget', `the app has used up its budget of ${budget.count} restarts in ${formatDuration(budget.windowMs)}`];
}

function availabilityRefusal({ reason }: Ask, app: AppConfig, worker: WorkerState, { others }: Past): Refused | null {
  const lack = tooFewOthers(reason, app, worker, others);
  return lack === null ? null : ['min_available', lack];
}
