/** Configs and workers as the rooms above `observe` see them, made from a few words. */
import { parseConfig } from '../../src/config/parse.js';
import type { AppConfig, Config } from '../../src/config/schema.js';
import { GC_BUCKETS_SECONDS, type RuntimeStats } from '../../src/agent/protocol.cjs';
import type { Ask } from '../../src/decide/decision.js';
import type { Standstill } from '../../src/observe/standstill.js';
import { workerKey, type Workers, type WorkerState } from '../../src/observe/tracker.js';
import type { SlotState, SupervisorKind } from '../../src/supervisors/contract.js';

/** 2023-11-14T22:13:20Z */
export const NOW = 1_700_000_000_000;
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const MB = 1_000_000;

/** The config of a YAML text, with the real parser's defaults. */
export function configOf(text: string): Config {
  return parseConfig(text, { file: '/srv/heapwarden.yml', env: {}, home: '/home/shop', tmpdir: '/tmp', uid: 1000 });
}

/** One app named `shop` under PM2, with these further keys in YAML's flow style. */
export function appOf(keys = ''): AppConfig {
  return configOf(`apps: [{ name: shop, supervisor: { pm2: shop }${keys && `, ${keys}`} }]`).apps[0]!;
}

export interface Made {
  app?: string;
  worker?: string;
  supervisor?: SupervisorKind | 'none';
  state?: SlotState;
  /** null: no process runs in the slot. */
  pid?: number | null;
  start?: number;
  startedAtMs?: number;
  /** The root's own; its children add `childrenRssBytes`. */
  rssBytes?: number;
  childrenRssBytes?: number;
  /** null: no agent reports in. */
  stats?: Partial<RuntimeStats> | null;
  /** Of both clocks, which agree here but for what is given as `observedAt`. */
  heartbeatAtMs?: number;
  observedAtMs?: number;
  observedAt?: number;
  standstill?: Standstill | null;
}

const NO_GC = { count: 0, sum_seconds: 0, buckets: GC_BUCKETS_SECONDS.map(() => 0) };

export function statsOf(stats: Partial<RuntimeStats> = {}): RuntimeStats {
  return {
    heap_used: 30 * MB,
    heap_total: 50 * MB,
    heap_limit: 100 * MB,
    heap_live: null,
    external: 2 * MB,
    array_buffers: MB,
    heap_spaces: { old: 25 * MB, new: 5 * MB },
    gc: { major: NO_GC, minor: NO_GC, incremental: NO_GC, weakcb: NO_GC },
    loop: null,
    active_resources: {},
    ...stats,
  };
}

/** Worker `shop/0` of a process that has run for an hour with 100 MB, but for what is given. */
export function workerOf(made: Made = {}): WorkerState {
  const { pid = 100, start = 1, rssBytes = 100 * MB, childrenRssBytes = 0, stats = {} } = made;
  const { startedAtMs = NOW - HOUR, observedAtMs = NOW, heartbeatAtMs = observedAtMs } = made;
  const root = { pid: pid ?? 0, start, rssBytes, cpuSeconds: 1 };
  const child = { pid: 9999, start: 2, rssBytes: childrenRssBytes, cpuSeconds: 1 };
  const reading = {
    root,
    startedAtMs,
    tree: childrenRssBytes > 0 ? [root, child] : [root],
    treeRssBytes: rssBytes + childrenRssBytes,
    openFds: 20,
    threads: 11,
  };
  const agent = {
    pid: root.pid,
    node: '22.23.3',
    version: '0.0.9',
    app: 'shop',
    connectedAt: startedAtMs,
    heartbeatAt: heartbeatAtMs,
    heartbeatAtMs,
    inspectorPort: null,
    stats: stats && statsOf(stats),
    statsAt: heartbeatAtMs,
  };
  const slot = { app: made.app ?? 'shop', worker: made.worker ?? '0' };
  return {
    ...slot,
    slot,
    supervisor: made.supervisor ?? 'pm2',
    state: made.state ?? 'running',
    reading: pid === null ? null : reading,
    agent: pid === null || stats === null ? null : agent,
    gc: agent.stats && { total: agent.stats.gc, speaker: root, own: agent.stats.gc },
    cpu: { seconds: 12.5, owed: 0 },
    standstill: made.standstill ?? null,
    observedAtMs,
    observedAt: made.observedAt ?? observedAtMs,
  };
}

export function workersOf(...workers: readonly WorkerState[]): Workers {
  return new Map(workers.map((worker) => [workerKey(worker.app, worker.worker), worker]));
}

/** The guard asks for `shop/0` because of its memory, but for what is given. */
export function askOf(ask: Partial<Ask> = {}): Ask {
  const common = { app: 'shop', worker: '0', reason: 'rss', origin: 'guard', force: false, dryRun: false } as const;
  return { ...common, alert: null, dueAtMs: null, ...ask };
}
