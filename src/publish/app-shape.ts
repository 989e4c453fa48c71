/** An app and its workers as the API tells them; names and units as in the metrics. */
import Type, { type Static } from 'typebox';
import { LEVELS, RESOURCES } from '../config/schema.js';
import { STANDSTILL_CAUSES } from '../observe/standstill.js';
import { BLOCKS } from './blocks.js';
import { OUTLOOK } from './outlook.js';
import { nullable, numberOrNull } from './shape.js';

export const WorkerStatus = Type.Object({
  worker: Type.String({ description: 'its slot, which survives restarts' }),
  up: Type.Boolean(),
  state: Type.String({ description: 'its supervisor\'s word, such as running, stopped, crash_loop' }),
  pid: numberOrNull(),
  node_version: nullable(Type.String()),
  agent_version: nullable(Type.String(), 'of the agent that speaks for it; null without one, and of one too old to tell'),
  resident_memory_bytes: numberOrNull(),
  heap_used_bytes: numberOrNull(),
  heap_limit_bytes: numberOrNull(),
  heap_live_bytes: numberOrNull('right after the last major garbage collection'),
  external_memory_bytes: numberOrNull(),
  eventloop_lag_p99_seconds: numberOrNull("99th percentile over the agent's last window"),
  eventloop_utilization_ratio: numberOrNull(),
  heartbeat_age_seconds: numberOrNull('since the event loop is known to have turned'),
  cpu_seconds_total: Type.Number({ description: 'user and system, of the process and its children since it started' }),
  uptime_seconds: numberOrNull(),
  levels: Type.Partial(Type.Record(Type.Enum(RESOURCES), Type.Enum(LEVELS)), {
    description: 'the highest level that each resource is at or above now',
  }),
  standstill: nullable(Type.Enum(STANDSTILL_CAUSES), 'why its agent may be silent though it has not frozen'),
  ...OUTLOOK,
  restarting: Type.Boolean(),
  cooldown_seconds: Type.Number({ description: 'until its cooldown ends; 0 where none holds it' }),
  blocked: Type.Array(Type.Enum(BLOCKS), { description: 'what stops its automatic restarts for longer than a cooldown does' }),
});
export type WorkerStatus = Static<typeof WorkerStatus>;

const Limits = Type.Partial(Type.Record(Type.Enum(LEVELS), Type.Number()));

export const AppStatus = Type.Object({
  app: Type.String(),
  supervisor: Type.String(),
  managed: Type.Boolean({ description: 'false: shown because its agent reports in; heapwarden will not touch it' }),
  restart_budget_remaining: numberOrNull(),
  restart_budget: nullable(Type.Object({ count: Type.Number(), window_seconds: Type.Number() })),
  dry_run: Type.Boolean(),
  limits: Type.Partial(Type.Record(Type.Enum(RESOURCES), Limits), {
    description: 'bytes of rss, a ratio of heap, seconds of freeze and uptime; what is not configured is absent',
  }),
  paused: nullable(Type.Object({ until_seconds: numberOrNull() }), "a person's pause; until_seconds null: until it is resumed"),
  workers: Type.Array(WorkerStatus),
});
export type AppStatus = Static<typeof AppStatus>;
