/** Pure: an incident as the API tells it; names and units as in the metrics, times in seconds since the Unix epoch. */
import type { Death, Measurement, Recorded } from '../act/incident.js';
import type { Gain } from '../decide/gain.js';
import type { CommandReport } from '../supervisors/contract.js';
import { seconds } from './family.js';
import type { CommandStatus, IncidentStatus, MeasurementStatus } from './incident-shape.js';
import { outlookStatus } from './outlook.js';

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
