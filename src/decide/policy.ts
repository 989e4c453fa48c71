/** Pure: whether a restart that was asked for may be done, and if not, why not. Time and facts are arguments. */
import type { AppConfig, Resource } from '../config/schema.js';
import { describeStandstill } from '../observe/standstill.js';
import type { WorkerState } from '../observe/tracker.js';
import { formatDuration, formatElapsed } from '../units.js';
import type { AlertRef, Ask, Decision, Refusal, RestartReason } from './decision.js';
import { RESOURCE_NAMES, describeValue, limitOf, measure, standstillOf } from './measure.js';

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
  /** The app's other workers: how many there are, and how many would be up during this restart. */
  others: Others;
}

export interface Others {
  count: number;
  up: number;
}

/** A decision and the sentence a person reads: what was asked, what was measured, why not. */
export type Judgement = Decision & { sentence: string };

export function decide(ask: Ask, facts: Facts, nowMs: number): Judgement {
  const refused = refusal(ask, facts, nowMs);
  const asked = whatWasAsked(ask);
  if (!refused) return { action: 'restart', reason: ask.reason, sentence: `${asked}: ${whyRestart(ask, facts)}` };
  const [reason, why] = refused;
  return { action: 'refuse', reason, sentence: `${asked}: refused, ${why}` };
}

/**
 * Why a restart would leave the app with fewer workers than its min_available, or null where it would not. An app with
 * fewer workers than that is asked for all the others it has; to restart what does not run takes nothing away.
 */
export function tooFewOthers(app: AppConfig, worker: WorkerState, { count, up }: Others): string | null {
  const { min_available } = app.restart;
  if (!worker.reading || up >= Math.min(min_available, count)) return null;
  return `${up === 0 ? 'none' : `only ${up}`} of its other workers would be up, and min_available is ${min_available}`;
}

type Refused = [Refusal, string];

function refusal(ask: Ask, facts: Facts, nowMs: number): Refused | null {
  const { app, worker } = facts;
  if (!app && worker) {
    return ['unmanaged', 'no app of this name is configured, so nobody is known who could start it again'];
  }
  if (!app) return ['unknown_app', 'no app of this name is configured'];
  if (!worker) return ['unknown_app', `the app has no worker ${printable(ask.worker)}`];
  if (facts.inProgress) return ['in_progress', 'this worker is being restarted already'];
  const byAlert = ask.alert && alertRefusal(ask.alert, facts, worker, nowMs);
  if (byAlert) return byAlert;
  const byGate = ask.force ? null : (limitRefusal(ask, app, worker) ?? gateRefusal(app, worker, facts, nowMs));
  if (byGate) return byGate;
  if (app.dry_run) return ['dry_run', 'it would be restarted, but dry_run is set for this app'];
  if (ask.dryRun) return ['dry_run', 'it would be restarted, but this was a dry run'];
  return null;
}

function alertRefusal(alert: AlertRef, facts: Facts, worker: WorkerState, nowMs: number): Refused | null {
  if (facts.alertAnswered) return ['duplicate', 'this alert has led to a restart already'];
  if (alert.endsAtMs !== null && alert.endsAtMs <= nowMs) return ['stale', 'the alert was over before it arrived'];
  const afterAlertMs = worker.reading ? worker.reading.startedAtMs - alert.startsAtMs : 0;
  if (afterAlertMs > 0) {
    return ['already_restarted', `the process started ${formatElapsed(afterAlertMs)} after the alert`];
  }
  return null;
}

function limitRefusal(ask: Ask, app: AppConfig, worker: WorkerState): Refused | null {
  const why = notBreaching(ask.reason, app, worker);
  return why === null ? null : ['not_breaching', why];
}

/** A restart for a limit must find the limit crossed: why it does not, or null where it does or claims none. */
export function notBreaching(reason: RestartReason, app: AppConfig, worker: WorkerState): string | null {
  const resource = claimedResource(reason);
  if (!resource) return null;
  const name = RESOURCE_NAMES[resource];
  const limit = limitOf(app, resource, 'restart');
  const value = measure(worker, resource, app.memory);
  if (limit === null) return `the app has no restart limit for ${resource}`;
  if (value === null) return `its ${name} cannot be measured now`;
  if (value >= limit) return null;
  const standstill = resource === 'freeze' ? standstillOf(worker) : null;
  if (standstill && worker.observedAt - worker.agent!.heartbeatAt >= limit) {
    return `its event loop does not turn, but ${describeStandstill(standstill, worker.observedAt)}`;
  }
  const [is, line] = [describeValue(resource, value), describeValue(resource, limit)];
  return `measured again, its ${name} is ${is}, below the limit of ${line}`;
}

function gateRefusal(app: AppConfig, worker: WorkerState, facts: Facts, nowMs: number): Refused | null {
  const { startup_grace, cooldown, budget } = app.restart;
  const ageMs = worker.reading ? nowMs - worker.reading.startedAtMs : Infinity;
  if (ageMs < startup_grace) {
    const [age, grace] = [formatElapsed(Math.max(0, ageMs)), formatDuration(startup_grace)];
    return ['startup_grace', `the process is ${age} old, less than its startup_grace of ${grace}`];
  }
  const restMs = facts.lastRestartMs === null ? 0 : facts.lastRestartMs + cooldown - nowMs;
  if (restMs > 0) {
    const [length, rest] = [formatDuration(cooldown), formatElapsed(restMs)];
    return ['cooldown', `it was restarted a short while ago; its cooldown of ${length} ends in ${rest}`];
  }
  if (facts.restartsInWindow >= budget.count) {
    const window = formatDuration(budget.windowMs);
    return ['budget', `the app has used up its budget of ${budget.count} restarts in ${window}`];
  }
  const lack = tooFewOthers(app, worker, facts.others);
  return lack === null ? null : ['min_available', lack];
}

/** `manual` and `schedule` claim no limit. */
function claimedResource(reason: RestartReason): Resource | null {
  return reason === 'manual' || reason === 'schedule' ? null : reason;
}

const ASKED_BY: Record<Ask['origin'], string> = {
  guard: 'heapwarden',
  alertmanager: 'an alert',
  api: 'a request',
  schedule: 'the schedule',
};

function whatWasAsked({ app, worker, origin, force, reason }: Ask): string {
  const forced = force ? ' forced' : '';
  return `${printable(app)}/${printable(worker)}: ${ASKED_BY[origin]} asked for a${forced} restart (${reason})`;
}

/** Names come from outside, and a sentence is one line of the log. */
function printable(name: string): string {
  return name.replace(/\p{Cc}/gu, '?');
}

function whyRestart(ask: Ask, { app, worker }: Facts): string {
  const resource = claimedResource(ask.reason);
  const value = resource && app && worker ? measure(worker, resource, app.memory) : null;
  const limit = resource && app ? limitOf(app, resource, 'restart') : null;
  if (!resource || value === null || limit === null) return 'it will be restarted';
  const [is, line] = [describeValue(resource, value), describeValue(resource, limit)];
  return `its ${RESOURCE_NAMES[resource]} is ${is}, the limit ${line}`;
}
