/** Pure: whether a restart that was asked for may be done, and if not, why not. Time and facts are arguments. */
import type { AppConfig, Resource } from '../config/schema.js';
import type { WorkerState } from '../observe/tracker.js';
import { formatDuration, formatElapsed } from '../units.js';
import type { Ask, Decision, Refusal } from './decision.js';
import { RESOURCE_NAMES, describeValue, limitOf, measure } from './measure.js';

export interface Facts {
  /** The app's config; null where no app of that name is configured. */
  app: AppConfig | null;
  /** The worker, measured again for this decision; null where there is none. */
  worker: WorkerState | null;
  /** This worker is being restarted, or waits for it. */
  inProgress: boolean;
  /** This alert (fingerprint and start) has led to a restart that did not fail. */
  alertAnswered: boolean;
  /** Start of the worker's last restart; milliseconds since the epoch. */
  lastRestartMs: number | null;
  /** Starts of the app's restarts inside its budget window. */
  restartsInWindow: number;
  /** Workers of the app, and how many of the others run and are not being restarted. */
  workers: number;
  othersUp: number;
}

/** A decision and the sentence a person reads: what was asked, what was measured, why not. */
export type Judgement = Decision & { sentence: string };

export function decide(ask: Ask, facts: Facts, nowMs: number): Judgement {
  const refused = refusal(ask, facts, nowMs);
  if (refused) return { action: 'refuse', reason: refused[0], sentence: `${whatWasAsked(ask)}: refused, ${refused[1]}` };
  return { action: 'restart', reason: ask.reason, sentence: `${whatWasAsked(ask)}: ${whyRestart(ask, facts)}` };
}

function refusal(ask: Ask, facts: Facts, nowMs: number): [Refusal, string] | null {
  const { app, worker } = facts;
  if (!app && worker) return ['unmanaged', 'no app of this name is configured, so nobody is known who could start it again'];
  if (!app) return ['unknown_app', 'no app of this name is configured'];
  if (!worker) return ['unknown_app', `the app has no worker ${ask.worker}`];
  if (facts.inProgress) return ['in_progress', 'this worker is being restarted already'];
  const byAlert = ask.alert && alertRefusal(ask.alert, facts, worker, nowMs);
  if (byAlert) return byAlert;
  if (!ask.force) {
    const byGate = gateRefusal(ask, app, facts, worker, nowMs);
    if (byGate) return byGate;
  }
  if (app.dry_run || ask.dryRun) return ['dry_run', `it would be restarted, but ${app.dry_run ? 'dry_run is set for this app' : 'this was a dry run'}`];
  return null;
}

function alertRefusal(alert: NonNullable<Ask['alert']>, facts: Facts, worker: WorkerState, nowMs: number): [Refusal, string] | null {
  if (facts.alertAnswered) return ['duplicate', 'this alert has led to a restart already'];
  if (alert.endsAtMs !== null && alert.endsAtMs <= nowMs) return ['stale', 'the alert was over before it arrived'];
  const startedAtMs = worker.reading?.startedAtMs ?? 0;
  if (startedAtMs > alert.startsAtMs) {
    return ['already_restarted', `the process started ${formatElapsed(startedAtMs - alert.startsAtMs)} after the alert`];
  }
  return null;
}

function gateRefusal(ask: Ask, app: AppConfig, facts: Facts, worker: WorkerState, nowMs: number): [Refusal, string] | null {
  const { startup_grace, cooldown, budget, min_available } = app.restart;
  const resource = claimedResource(ask);
  if (resource) {
    const limit = limitOf(app, resource, 'restart');
    const value = measure(worker, resource, app.memory);
    if (limit === null) return ['not_breaching', `the app has no restart limit for ${resource}`];
    if (value === null) return ['not_breaching', `its ${RESOURCE_NAMES[resource]} cannot be measured now`];
    if (value < limit) {
      return ['not_breaching', `measured again, its ${RESOURCE_NAMES[resource]} is ${describeValue(resource, value)}, below the limit of ${describeValue(resource, limit)}`];
    }
  }
  const age = worker.reading ? nowMs - worker.reading.startedAtMs : Infinity;
  if (age < startup_grace) {
    return ['startup_grace', `the process is ${formatElapsed(age)} old, less than its startup_grace of ${formatDuration(startup_grace)}`];
  }
  const rest = facts.lastRestartMs === null ? 0 : facts.lastRestartMs + cooldown - nowMs;
  if (rest > 0) return ['cooldown', `it was restarted a short while ago; its cooldown of ${formatDuration(cooldown)} ends in ${formatElapsed(rest)}`];
  if (facts.restartsInWindow >= budget.count) {
    return ['budget', `the app has used up its budget of ${budget.count} restarts in ${formatDuration(budget.windowMs)}`];
  }
  if (facts.workers > min_available && facts.othersUp < min_available) {
    return ['min_available', `only ${facts.othersUp} of its other workers are up, and min_available is ${min_available}`];
  }
  return null;
}

/** A restart for a limit must find the limit crossed; `manual` and `schedule` claim none. */
function claimedResource(ask: Ask): Resource | null {
  return ask.reason === 'manual' || ask.reason === 'schedule' ? null : ask.reason;
}

const ASKED_BY: Record<Ask['origin'], string> = {
  guard: 'heapwarden',
  alertmanager: 'an alert',
  api: 'a request',
  schedule: 'the schedule',
};

function whatWasAsked(ask: Ask): string {
  return `${ask.app}/${ask.worker}: ${ASKED_BY[ask.origin]} asked for a${ask.force ? ' forced' : ''} restart (${ask.reason})`;
}

function whyRestart(ask: Ask, { app, worker }: Facts): string {
  const resource = claimedResource(ask);
  const value = resource && app && worker ? measure(worker, resource, app.memory) : null;
  const limit = resource && app ? limitOf(app, resource, 'restart') : null;
  if (!resource || value === null || limit === null) return 'it will be restarted';
  return `its ${RESOURCE_NAMES[resource]} is ${describeValue(resource, value)}, the limit ${describeValue(resource, limit)}`;
}
