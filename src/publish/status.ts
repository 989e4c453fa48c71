/** Pure: the apps as the API tells them; names and units as in the metrics. */
import type { History } from '../act/history.js';
import { LEVELS, RESOURCES, type AppConfig, type Resource } from '../config/schema.js';
import { isPaused, type Pause } from '../decide/gates.js';
import { levelsReached, limitOf, measure, standstillOf } from '../decide/measure.js';
import type { AppStatus, WorkerStatus } from './app-shape.js';
import { Blocks } from './blocks.js';
import { seconds, type View } from './family.js';
import { outlookStatus } from './outlook.js';

/** `isBusy`: whether a restart of the worker is under way. */
export function appStatuses(
  { config, workers, history, outlook, nowMs }: Pick<View, 'config' | 'workers' | 'history' | 'outlook' | 'nowMs'>,
  isBusy: (app: string, worker: string) => boolean,
): AppStatus[] {
  const configs = new Map(config.apps.map((app) => [app.name, app]));
  const blocks = new Blocks(history, nowMs);
  const names = new Set([...configs.keys(), ...workers.map(({ app }) => app)]);
  return [...names].map((name) => {
    const app = configs.get(name);
    const own = workers.filter((worker) => worker.app === name);
    return {
      app: name,
      supervisor: (app && Object.keys(app.supervisor)[0]) ?? 'none',
      managed: app !== undefined,
      restart_budget_remaining: app ? history.budgetLeft(name, app.restart.budget) : null,
      restart_budget: app ? { count: app.restart.budget.count, window_seconds: seconds(app.restart.budget.windowMs) } : null,
      dry_run: app?.dry_run ?? false,
      limits: app ? limitsOf(app) : {},
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
          agent_version: agent?.version ?? null,
          resident_memory_bytes: measure(worker, 'rss', app?.memory ?? 'tree'),
          heap_used_bytes: agent?.stats?.heap_used ?? null,
          heap_limit_bytes: agent?.stats?.heap_limit ?? null,
          heap_live_bytes: agent?.stats?.heap_live ?? null,
          external_memory_bytes: agent?.stats?.external ?? null,
          eventloop_lag_p99_seconds: agent?.stats?.loop?.p99_seconds ?? null,
          eventloop_utilization_ratio: agent?.stats?.loop?.utilization_ratio ?? null,
          heartbeat_age_seconds: agent && Math.max(0, seconds(nowMs - agent.heartbeatAtMs)),
          cpu_seconds_total: worker.cpu.seconds,
          uptime_seconds: reading ? Math.max(0, (nowMs - reading.startedAtMs) / 1000) : null,
          levels,
          standstill: standstillOf(worker)?.cause ?? null,
          ...outlookStatus(outlook(worker)),
          restarting: isBusy(name, worker.worker),
          cooldown_seconds: app ? cooldownOf(app, worker.worker, history) : 0,
          blocked: app ? blocks.of(app, worker.worker) : [],
        };
      }),
    };
  });
}

function limitsOf(app: AppConfig): AppStatus['limits'] {
  const unit = (resource: Resource, limit: number) => (resource === 'rss' || resource === 'heap' ? limit : seconds(limit));
  const of = (resource: Resource) =>
    LEVELS.flatMap((level) => {
      const limit = limitOf(app, resource, level);
      return limit === null ? [] : [[level, unit(resource, limit)] as const];
    });
  return Object.fromEntries(RESOURCES.map((resource) => [resource, Object.fromEntries(of(resource))] as const).filter(([, limits]) => Object.keys(limits).length > 0));
}

function cooldownOf({ name, restart: { cooldown } }: AppConfig, worker: string, history: History): number {
  const since = history.sinceLastRestart(name, worker);
  return since === null ? 0 : Math.max(0, seconds(cooldown - since));
}

function pauseOf(pause: Pause | null, nowMs: number): AppStatus['paused'] {
  if (!pause || !isPaused(pause, nowMs)) return null;
  return { until_seconds: pause.untilMs === null ? null : seconds(pause.untilMs) };
}
