/** Pure: whether a restart that was asked for may be done, and if not, why not. Time and facts are arguments. */
import type { AppConfig, Resource } from '../config/schema.js';
import { describeStandstill } from '../observe/standstill.js';
import type { WorkerState } from '../observe/tracker.js';
import { printable } from '../printable.js';
import { formatElapsed } from '../units.js';
import type { AlertRef, Ask, Decision, RestartReason } from './decision.js';
import { gateRefusal, pauseRefusal, type Past, type Pause, type Refused } from './gates.js';
import { RESOURCE_NAMES, describeValue, limitOf, measure, standstillOf } from './measure.js';

export interface Facts extends Past {
  /** The app's config; null where no app of that name is configured. */
  app: AppConfig | null;
  /** The worker, measured again for this decision; null where there is none. */
  worker: WorkerState | null;
  /** This worker is being restarted, or waits for it. */
  inProgress: boolean;
  /** This alert (fingerprint and start) has led to a restart that did not fail. */
  alertAnswered: boolean;
  pause: Pause | null;
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

function refusal(ask: Ask, facts: Facts, nowMs: number): Refused | null {
  const { app, worker } = facts;
  if (!app && worker) {
    return ['unmanaged', 'no app of this name is configured, so nobody is known who could start it again'];
  }
  if (!app) return ['unknown_app', 'no app of this name is configured'];
  if (!worker) return ['unknown_app', `the app has no worker ${printable(ask.worker)}`];
  if (facts.inProgress) return ['in_progress', 'this worker is being restarted already'];
  const late = (ask.alert && alertRefusal(ask.alert, facts, worker, nowMs)) ?? scheduleRefusal(ask, worker);
  if (late) return late;
  const byGate = ask.force
    ? null
    : (pauseRefusal(facts.pause, nowMs) ??
      limitRefusal(ask, app, worker) ??
      gateRefusal(ask, app, worker, facts, nowMs));
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

/** A schedule that was missed, or had to wait: whoever has been restarted since has had what it asks for. */
function scheduleRefusal({ dueAtMs }: Ask, { reading }: WorkerState): Refused | null {
  const afterMs = reading && dueAtMs !== null ? reading.startedAtMs - dueAtMs : 0;
  return afterMs > 0 ? ['already_restarted', `the process started ${formatElapsed(afterMs)} after its time`] : null;
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

function whyRestart(ask: Ask, { app, worker }: Facts): string {
  const resource = claimedResource(ask.reason);
  const value = resource && app && worker ? measure(worker, resource, app.memory) : null;
  const limit = resource && app ? limitOf(app, resource, 'restart') : null;
  if (!resource || value === null || limit === null) return 'it will be restarted';
  const [is, line] = [describeValue(resource, value), describeValue(resource, limit)];
  return `its ${RESOURCE_NAMES[resource]} is ${is}, the limit ${line}`;
}
