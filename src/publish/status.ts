/** Pure: the apps as the API tells them; names and units as in the metrics. */
import type { History } from '../act/history.js';
import { RESOURCES, type Config, type Level, type Resource } from '../config/schema.js';
import type { Outlook } from '../decide/forecast.js';
import { isPaused, type Pause } from '../decide/gates.js';
import { levelsReached, measure, standstillOf } from '../decide/measure.js';
import type { StandstillCause } from '../observe/standstill.js';
import type { WorkerState } from '../observe/tracker.js';
import { blocksOf, type Block } from './blocks.js';
import { seconds } from './family.js';
import { outlookStatus, type OutlookStatus } from './outlook.js';

export interface WorkerStatus extends OutlookStatus {
  worker: string;
  up: boolean;
  state: string;
  pid: number | null;
  node_version: string | null;
  resident_memory_bytes: number | null;
  heap_used_bytes: number | null;
  heap_limit_bytes: number | null;
  uptime_seconds: number | null;
  /** The highest level that each resource is at or above now. */
  levels: Partial<Record<Resource, Level>>;
  /** Why its agent may be silent though it has not frozen. */
  standstill: StandstillCause | null;
  restarting: boolean;
  /** What stops its automatic restarts for longer than a cooldown does. */
  blocked: Block[];
}

export interface AppStatus {
  app: string;
  supervisor: string;
  /** False: shown because its agent reports in; heapwarden will not touch it. */
  managed: boolean;
  restart_budget_remaining: number | null;
  /** A person's pause; `until_seconds` null: until it is resumed. */
  paused: { until_seconds: number | null } | null;
  workers: WorkerStatus[];
}

export function appStatuses(
  config: Config,
  workers: readonly WorkerState[],
  history: History,
  isBusy: (app: string, worker: string) => boolean,
  outlook: (worker: WorkerState) => Outlook | null,
  nowMs: number,
): AppStatus[] {
  const configs = new Map(config.apps.map((app) => [app.name, app]));
  const names = new Set([...configs.keys(), ...workers.map(({ app }) => app)]);
  return [...names].map((name) => {
    const app = configs.get(name);
    const own = workers.filter((worker) => worker.app === name);
    return {
      app: name,
      supervisor: (app && Object.keys(app.supervisor)[0]) ?? 'none',
      managed: app !== undefined,
      restart_budget_remaining: app ? history.budgetLeft(name, app.restart.budget) : null,
      paused: pauseOf(history.stateOf(name).pause, nowMs),
      workers: own.map((worker) => {
        const { reading, agent } = worker;
        const levels: WorkerStatus['levels'] = {};
        for (const resource of app ? RESOURCES : []) {
          const value = measure(worker, resource, app!.memory);
          const level = value === null ? undefined : levelsReached(app!, resource, value).at(-1);
          if (level) levels[resource] = level;
        }
        return {
          worker: worker.worker,
          up: reading !== null,
          state: reading ? worker.state : worker.state === 'running' ? 'stopped' : worker.state,
          pid: reading?.root.pid ?? null,
          node_version: agent?.node ?? null,
          resident_memory_bytes: measure(worker, 'rss', app?.memory ?? 'tree'),
          heap_used_bytes: agent?.stats?.heap_used ?? null,
          heap_limit_bytes: agent?.stats?.heap_limit ?? null,
          uptime_seconds: reading ? Math.max(0, (nowMs - reading.startedAtMs) / 1000) : null,
          levels,
          standstill: standstillOf(worker)?.cause ?? null,
          ...outlookStatus(outlook(worker)),
          restarting: isBusy(name, worker.worker),
          blocked: app ? blocksOf(app, worker.worker, history, nowMs) : [],
        };
      }),
    };
  });
}

function pauseOf(pause: Pause | null, nowMs: number): AppStatus['paused'] {
  if (!pause || !isPaused(pause, nowMs)) return null;
  return { until_seconds: pause.untilMs === null ? null : seconds(pause.untilMs) };
}
