/** Pure: a worker's value on each resource, in the unit of its limits, and the words for it. */
import { LEVELS, type AppConfig, type Level, type Resource } from '../config/schema.js';
import { HEARD_AGAIN_MS, type Standstill } from '../observe/standstill.js';
import type { WorkerState } from '../observe/tracker.js';
import { formatBytes, formatElapsed } from '../units.js';

/**
 * `rss` in bytes, `heap` as used over limit, `freeze` and `uptime` in milliseconds; null where it is not known.
 * A freeze is measured at the moment of observation, so that a late reader does not lengthen it, by the clock that
 * never jumps, and from the end of what may have kept the loop from turning otherwise.
 */
export function measure(worker: WorkerState, resource: Resource, memory: AppConfig['memory']): number | null {
  const { reading, agent, observedAtMs, observedAt } = worker;
  if (!reading) return null;
  switch (resource) {
    case 'rss':
      return memory === 'tree' ? reading.treeRssBytes : reading.root.rssBytes;
    case 'heap':
      return agent?.stats?.heap_limit ? agent.stats.heap_used / agent.stats.heap_limit : null;
    case 'freeze':
      return agent ? Math.max(0, observedAt - freezeCountsFrom(worker, agent.heartbeatAt)) : null;
    case 'uptime':
      return Math.max(0, observedAtMs - reading.startedAtMs);
  }
}

/** What excuses the silence of a worker's agent; null where it has been heard since, or nothing does. */
export function standstillOf({ agent, standstill }: WorkerState): Standstill | null {
  return agent && standstill && standstill.until > agent.heartbeatAt ? standstill : null;
}

function freezeCountsFrom(worker: WorkerState, heartbeatAt: number): number {
  const standstill = standstillOf(worker);
  return standstill ? standstill.until + HEARD_AGAIN_MS : heartbeatAt;
}

export function limitOf(app: AppConfig, resource: Resource, level: Level): number | null {
  return app.limits[resource]?.[level] ?? null;
}

/** How long a value must hold a level, in milliseconds; a freeze and an age are durations already. */
export function holdOf(app: AppConfig, resource: Resource): number {
  return resource === 'rss' || resource === 'heap' ? (app.limits[resource]?.for ?? 0) : 0;
}

/** The levels that a value is at or above, lowest first. */
export function levelsReached(app: AppConfig, resource: Resource, value: number): Level[] {
  return LEVELS.filter((level) => {
    const limit = limitOf(app, resource, level);
    return limit !== null && value >= limit;
  });
}

export function describeValue(resource: Resource, value: number): string {
  switch (resource) {
    case 'rss':
      return formatBytes(value);
    case 'heap':
      return `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)}%`;
    case 'freeze':
    case 'uptime':
      return formatElapsed(value);
  }
}

export const RESOURCE_NAMES: Record<Resource, string> = {
  rss: 'memory',
  heap: 'heap',
  freeze: 'time without an event-loop turn',
  uptime: 'uptime',
};
