/** Pure: an incident as the API tells it; names and units as in the metrics, times in seconds since the Unix epoch. */
import type { EvidenceReport } from '../act/evidence/report.js';
import type { Death, Incident, Measurement, Recorded } from '../act/incident.js';
import type { Gain } from '../decide/gain.js';
import type { CommandReport } from '../supervisors/contract.js';
import { seconds } from './family.js';
import { outlookStatus, type OutlookStatus } from './outlook.js';

/** What a process measured; null where it was not known. */
export interface MeasurementStatus {
  pid: number;
  start_time_seconds: number;
  resident_memory_bytes: number;
  heap_used_bytes: number | null;
  heap_limit_bytes: number | null;
  heartbeat_timestamp_seconds: number | null;
}

/** Leak and forecast are as of the decision. */
export interface IncidentStatus extends OutlookStatus {
  id: string;
  timestamp_seconds: number;
  app: string;
  worker: string;
  /** restart, refuse or death, and the reason for that. */
  action: Recorded['action'];
  reason: Recorded['reason'];
  /** null for a death: nobody asked for it. */
  origin: Incident['origin'] | null;
  /** The reason a restart was asked for; null for a death. */
  asked: Incident['asked'] | null;
  force: boolean;
  sentence: string;
  alert: { fingerprint: string; starts_at_seconds: number } | null;
  before: MeasurementStatus | null;
  /** Over which its memory had been measured then, without its startup; null where it had not. */
  measured_seconds: number | null;
  /** Bytes gained since the baseline, and by part; the heap's with V8's garbage. null where it is not known. */
  gain: {
    seconds: number;
    resident_memory_bytes: number;
    heap_bytes: number;
    buffers_bytes: number;
    native_bytes: number;
    children_bytes: number;
  } | null;
  /** Of a death: when `before` was measured (null where it never was), and what was kept of the process. */
  death: { measured_timestamp_seconds: number | null; evidence: EvidenceReport | null } | null;
  /** null while a restart is under way, and for refusals and deaths. */
  outcome: {
    timestamp_seconds: number;
    result: NonNullable<Incident['outcome']>['result'];
    sentence: string;
    /** How the old process went. */
    stop: NonNullable<Incident['outcome']>['stop'];
    after: MeasurementStatus | null;
    /** Without a process that was ready; null where it is not known. */
    downtime_seconds: number | null;
    /** Fingerprint of what was started. */
    release: string | null;
    /** When the new process was back at its limit within its startup grace. */
    relapsed_timestamp_seconds: number | null;
    interrupted: boolean;
    /** What was kept of the old process: folder, files, what it comes to, and what could not be had. */
    evidence: EvidenceReport | null;
    /** How the restart command of an external app went. */
    command: CommandStatus | null;
  } | null;
}

export interface CommandStatus {
  /** null where a signal ended it, or it could not be started. */
  exit_status: number | null;
  signal: string | null;
  timed_out: boolean;
  duration_seconds: number;
  /** The last lines that it wrote. */
  output: string;
}

export function incidentStatus(incident: Recorded): IncidentStatus {
  if (incident.action === 'death') return deathStatus(incident);
  const { id, app, worker, action, reason, origin, asked, force, sentence, alert, before, outlook, gain, outcome } = incident;
  return {
    id,
    timestamp_seconds: seconds(incident.atMs),
    app,
    worker,
    action,
    reason,
    origin,
    asked,
    force,
    sentence,
    alert: alert && { fingerprint: alert.fingerprint, starts_at_seconds: seconds(alert.startsAtMs) },
    before: before && measurementStatus(before),
    death: null,
    measured_seconds: outlook ? Math.round(seconds(outlook.measuredMs)) : null,
    ...outlookStatus(outlook ?? null),
    gain: gain ? gainStatus(gain) : null,
    outcome: outcome && {
      timestamp_seconds: seconds(outcome.atMs),
      result: outcome.result,
      sentence: outcome.sentence,
      stop: outcome.stop,
      after: outcome.after && measurementStatus(outcome.after),
      downtime_seconds: secondsOrNull(outcome.downtimeMs),
      release: outcome.release ?? null,
      relapsed_timestamp_seconds: secondsOrNull(outcome.relapsedAtMs),
      interrupted: outcome.interrupted,
      evidence: outcome.evidence ?? null,
      command: outcome.command ? commandStatus(outcome.command) : null,
    },
  };
}

function deathStatus({ id, app, worker, action, reason, sentence, atMs, before, measuredAtMs, evidence }: Death): IncidentStatus {
  return {
    id,
    timestamp_seconds: seconds(atMs),
    app,
    worker,
    action,
    reason,
    origin: null,
    asked: null,
    force: false,
    sentence,
    alert: null,
    before: before && measurementStatus(before),
    death: { measured_timestamp_seconds: secondsOrNull(measuredAtMs), evidence },
    outcome: null,
    measured_seconds: null,
    ...outlookStatus(null),
    gain: null,
  };
}

function gainStatus({ overMs, bytes, parts: { heap, buffers, native, children } }: Gain): IncidentStatus['gain'] {
  return {
    seconds: seconds(overMs),
    resident_memory_bytes: bytes,
    heap_bytes: heap,
    buffers_bytes: buffers,
    native_bytes: native,
    children_bytes: children,
  };
}

function commandStatus({ status, signal, timedOut, tookMs, output }: CommandReport): CommandStatus {
  return { exit_status: status, signal, timed_out: timedOut, duration_seconds: seconds(tookMs), output };
}

function measurementStatus(measurement: Measurement): MeasurementStatus {
  const { pid, startedAtMs, rssBytes, heapUsedBytes, heapLimitBytes, heartbeatAtMs } = measurement;
  return {
    pid,
    start_time_seconds: seconds(startedAtMs),
    resident_memory_bytes: rssBytes,
    heap_used_bytes: heapUsedBytes,
    heap_limit_bytes: heapLimitBytes,
    heartbeat_timestamp_seconds: secondsOrNull(heartbeatAtMs),
  };
}

/** A journal of an older version may lack the figure. */
function secondsOrNull(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : seconds(ms);
}
