/** Made-up apps and pasts for the page, as the API tells them. */
import type { AppHistory, Range } from '../../src/publish/day.js';
import type { AppStatus, WorkerStatus } from '../../src/publish/app-shape.js';
import { MB } from '../decide/support.js';

export const LIMITS: AppStatus['limits'] = { rss: { warning: 500 * MB, critical: 700 * MB, restart: 768 * MB } };

/** All different, and in every round; the pid is the round. */
export function manyApps({ apps, workers, round }: { apps: number; workers: number; round: number }): AppStatus[] {
  return Array.from({ length: apps }, (_, a) => ({
    app: `app-${a}`,
    supervisor: 'pm2',
    managed: true,
    restart_budget_remaining: 5,
    restart_budget: { count: 5, window_seconds: 3600 },
    dry_run: false,
    limits: LIMITS,
    paused: null,
    workers: Array.from({ length: workers }, (_, w) => workerAt(w, round)),
  }));
}

function workerAt(slot: number, round: number): WorkerStatus {
  const memory = (200 + ((slot * 37 + round) % 400)) * MB;
  return {
    worker: String(slot),
    up: true,
    state: 'running',
    pid: round,
    node_version: '22.23.3',
    agent_version: '0.1.0',
    resident_memory_bytes: memory,
    heap_used_bytes: memory * 0.6,
    heap_limit_bytes: 4345 * MB,
    heap_live_bytes: memory * 0.4,
    external_memory_bytes: 3 * MB,
    eventloop_lag_p99_seconds: 0.004 + (slot % 10) / 1000,
    eventloop_utilization_ratio: 0.2,
    heartbeat_age_seconds: 0.2,
    cpu_seconds_total: 12,
    uptime_seconds: 3600 + round,
    levels: memory >= 500 * MB ? { rss: 'warning' } : {},
    standstill: null,
    forecast_seconds: 2520,
    leak: { class: 'heap', bytes_per_second: 60_000, confidence: 0.9, companions: [] },
    restarting: false,
    cooldown_seconds: 0,
    blocked: [],
  };
}

/** A worker that gains 500 MB in the range. */
export function pastOf(app: string, worker: string, range: Range, nowSeconds: number): AppHistory {
  const [step, slices] = range === '1h' ? [10, 360] : [120, 720];
  const start = (Math.floor(nowSeconds / step) - slices + 1) * step;
  const rise = (from: number, to: number) => Array.from({ length: slices }, (_, i) => Math.round((from + ((to - from) * i) / slices) * MB));
  return {
    app,
    start_seconds: start,
    step_seconds: step,
    workers: [
      {
        worker,
        resident_memory_bytes: rise(150, 650),
        heap_used_bytes: rise(80, 500),
        heap_live_bytes: rise(60, 450),
        eventloop_lag_p99_seconds: rise(0, 0).map(() => 0.004),
        gc_ratio: rise(0, 0).map(() => 0.02),
      },
    ],
  };
}
