/** Pure: which worker has held which level long enough. The embedded counterpart of the alert rules. */
import { RESOURCES, type AppConfig, type Level, type Resource } from '../config/schema.js';
import type { Workers, WorkerState } from '../observe/tracker.js';
import { holdOf, levelsReached, measure } from './measure.js';

export interface LevelChange {
  worker: WorkerState;
  resource: Resource;
  from: Level | null;
  to: Level | null;
  value: number;
}

/** A restart limit that has been held for its `for`. */
export interface Breach {
  worker: WorkerState;
  resource: Resource;
  value: number;
  /** When the value was first seen at or above the limit; on the clock of `now`. */
  since: number;
}

/** What one worker's process holds, by resource. A new process starts with nothing; who holds nothing has no entry. */
interface Held {
  pid: number;
  start: number;
  since: Partial<Record<Resource, Partial<Record<Level, number>>>>;
  level: Partial<Record<Resource, Level>>;
}

export type GuardState = ReadonlyMap<string, Held>;

export interface Verdict {
  state: GuardState;
  changes: LevelChange[];
  breaches: Breach[];
}

/** `now`: milliseconds of a clock that never jumps. */
export function guard(before: GuardState, workers: Workers, apps: readonly AppConfig[], now: number): Verdict {
  const configs = new Map(apps.map((app) => [app.name, app]));
  const verdict = { state: new Map<string, Held>(), changes: [] as LevelChange[], breaches: [] as Breach[] };
  for (const [key, worker] of workers) {
    const app = configs.get(worker.app);
    if (!app || !worker.reading || worker.supervisor === 'none') continue;
    const held = judge(worker, app, before.get(key), now, verdict);
    if (held) verdict.state.set(key, held);
  }
  return verdict;
}

function judge(worker: WorkerState, app: AppConfig, last: Held | undefined, now: number, verdict: Verdict): Held | null {
  const { pid, start } = worker.reading!.root;
  const same = last?.pid === pid && last.start === start ? last : undefined;
  let held: Held | null = null;
  for (const resource of RESOURCES) {
    if (!app.limits[resource]) continue;
    const value = measure(worker, resource, app.memory);
    if (value === null) {
      if (worker.agent && same?.since[resource]) carryOver(same, (held ??= noneOf(worker)), resource);
      continue;
    }
    const reached = levelsReached(app, resource, value);
    const from = same?.level[resource] ?? null;
    if (reached.length === 0 && from === null) continue; // below all levels, as most
    const since = Object.fromEntries(reached.map((level) => [level, same?.since[resource]?.[level] ?? now]));
    const to = reached.findLast((level) => now - since[level]! >= holdOf(app, resource)) ?? null;
    if (to !== from) verdict.changes.push({ worker, resource, from, to, value });
    if (to === 'restart') verdict.breaches.push({ worker, resource, value, since: since.restart! });
    if (reached.length === 0) continue;
    held ??= noneOf(worker);
    held.since[resource] = since;
    if (to) held.level[resource] = to;
  }
  return held;
}

function noneOf({ reading }: WorkerState): Held {
  const { pid, start } = reading!.root;
  return { pid, start, since: {}, level: {} };
}

/** Its agent is there and silent, as in a storm of garbage collections: what it held is neither over nor to be told. */
function carryOver(from: Held, to: Held, resource: Resource): void {
  const [since, level] = [from.since[resource], from.level[resource]];
  if (since) to.since[resource] = since;
  if (level) to.level[resource] = level;
}
