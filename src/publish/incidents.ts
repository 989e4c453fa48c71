/** Pure: an incident as the API tells it; names and units as in the metrics, times in seconds since the Unix epoch. */
import type { EvidenceReport } from '../act/evidence/report.js';
import type { CommandReport } from '../supervisors/contract.js';
import type { Incident, Measurement } from '../act/incident.js';
import { seconds } from './family.js';

/** What a process measured; null where it was not known. */
export interface MeasurementStatus {
  pid: number;
  start_time_seconds: number;
  resident_memory_bytes: number;
  heap_used_bytes: number | null;
  heap_limit_bytes: number | null;
  heartbeat_timestamp_seconds: number | null;
}

export interface IncidentStatus {
  id: string;
  timestamp_seconds: number;
  app: string;
  worker: string;
  /** restart or refuse, and the reason for that. */
  action: Incident['action'];
  reason: Incident['reason'];
  origin: Incident['origin'];
  /** The reason a restart was asked for. */
  asked: Incident['asked'];
  force: boolean;
  sentence: string;
  alert: { fingerprint: string; starts_at_seconds: number } | null;
  before: MeasurementStatus | null;
  /** null while a restart is under way, and for refusals. */
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

export function incidentStatus(incident: Incident): IncidentStatus {
  const { id, app, worker, action, reason, origin, asked, force, sentence, alert, before, outcome } = incident;
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
