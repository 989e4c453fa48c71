/** An incident as the API tells it; names and units as in the metrics, times in seconds since the Unix epoch. */
import Type, { type Static } from 'typebox';
import { RESULTS } from '../act/incident.js';
import { DEATH_REASONS } from '../decide/death.js';
import { ORIGINS, REFUSALS, RESTART_REASONS } from '../decide/decision.js';
import { STOP_OUTCOMES } from '../supervisors/contract.js';
import { OUTLOOK } from './outlook.js';
import { nullable, numberOrNull } from './shape.js';

/** What a process measured; null where it was not known. */
export const MeasurementStatus = Type.Object({
  pid: Type.Number(),
  start_time_seconds: Type.Number(),
  resident_memory_bytes: Type.Number(),
  heap_used_bytes: numberOrNull(),
  heap_limit_bytes: numberOrNull(),
  heartbeat_timestamp_seconds: numberOrNull(),
});
export type MeasurementStatus = Static<typeof MeasurementStatus>;

const Evidence = nullable(
  Type.Object({
    folder: nullable(Type.String(), 'null where none could be made'),
    files: Type.Array(Type.String(), { description: 'names of the files in it' }),
    finding: nullable(Type.String(), 'what it comes to, in a sentence without an end; null where it names nobody'),
    notes: Type.Array(Type.String(), { description: 'what could not be had, and why: a sentence each' }),
  }),
  'what was kept of the process',
);

const Gain = Type.Object({
  seconds: Type.Number(),
  resident_memory_bytes: Type.Number(),
  heap_bytes: Type.Number({ description: "with V8's garbage" }),
  buffers_bytes: Type.Number(),
  native_bytes: Type.Number(),
  children_bytes: Type.Number(),
});

export const CommandStatus = Type.Object({
  exit_status: numberOrNull('null where a signal ended it, or it could not be started'),
  signal: nullable(Type.String()),
  timed_out: Type.Boolean(),
  duration_seconds: Type.Number(),
  output: Type.String({ description: 'the last lines that it wrote' }),
});
export type CommandStatus = Static<typeof CommandStatus>;

const Outcome = Type.Object({
  timestamp_seconds: Type.Number(),
  result: Type.Enum(RESULTS),
  sentence: Type.String(),
  stop: nullable(Type.Enum(STOP_OUTCOMES), 'how the old process went'),
  after: nullable(MeasurementStatus),
  downtime_seconds: numberOrNull('without a process that was ready; null where it is not known'),
  release: nullable(Type.String(), 'fingerprint of what runs since, where restarts did not help'),
  relapsed_timestamp_seconds: numberOrNull('when the new process was back at its limit within its startup grace'),
  interrupted: Type.Boolean({ description: 'heapwarden ended in the middle, and the next one completed the record; or before its turn' }),
  evidence: Evidence,
  command: nullable(CommandStatus, 'how the restart command of an external app went'),
});

export const IncidentStatus = Type.Object({
  id: Type.String(),
  timestamp_seconds: Type.Number(),
  app: Type.String(),
  worker: Type.String(),
  action: Type.Enum(['restart', 'refuse', 'death'] as const),
  reason: Type.Enum([...RESTART_REASONS, ...REFUSALS, ...DEATH_REASONS] as const),
  origin: nullable(Type.Enum(ORIGINS), 'who asked; null for a death'),
  asked: nullable(Type.Enum(RESTART_REASONS), 'the reason a restart was asked for; null for a death'),
  force: Type.Boolean(),
  sentence: Type.String(),
  alert: nullable(Type.Object({ fingerprint: Type.String(), starts_at_seconds: Type.Number() })),
  before: nullable(MeasurementStatus),
  measured_seconds: numberOrNull('over which its memory had been measured then, without its startup'),
  ...OUTLOOK,
  gain: nullable(Gain, 'bytes gained since the baseline, and by part'),
  death: nullable(
    Type.Object({ measured_timestamp_seconds: numberOrNull('of `before`'), evidence: Evidence }),
    'null for all but deaths',
  ),
  outcome: nullable(Outcome, 'null while a restart is under way, and for refusals and deaths'),
}, { description: 'leak and forecast are as of the decision' });
export type IncidentStatus = Static<typeof IncidentStatus>;
