/** Workers, incidents and advice of a warden that nobody has started. */
import type { AppAdvice } from '../../src/publish/advice.js';
import type { AppHistory } from '../../src/publish/day.js';
import { incidentStatus } from '../../src/publish/incidents.js';
import type { AppStatus, WorkerStatus } from '../../src/publish/app-shape.js';
import type { View } from '../../src/monitor/view.js';
import { incidentOf } from '../act/support.js';
import { MB, NOW } from '../decide/support.js';

export const PLAIN = { unicode: true, color: false };

export function workerStatus(made: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    worker: '0', up: true, state: 'running', pid: 4711, node_version: '22.23.3', agent_version: '0.1.0',
    resident_memory_bytes: 612 * MB, heap_used_bytes: 300 * MB, heap_limit_bytes: 2000 * MB, heap_live_bytes: 250 * MB,
    external_memory_bytes: 2 * MB, eventloop_lag_p99_seconds: 0.012, eventloop_utilization_ratio: 0.25,
    heartbeat_age_seconds: 0.2, cpu_seconds_total: 12, uptime_seconds: 12_000, levels: {}, standstill: null,
    forecast_seconds: null, leak: null, restarting: false, cooldown_seconds: 0, blocked: [], ...made,
  };
}

export function appStatus(app: string, workers: WorkerStatus[], made: Partial<AppStatus> = {}): AppStatus {
  return {
    app, supervisor: 'pm2', managed: true, restart_budget_remaining: 4, restart_budget: { count: 5, window_seconds: 3600 },
    dry_run: false, limits: { rss: { warning: 500 * MB, critical: 700 * MB, restart: 768 * MB } }, paused: null, workers, ...made,
  };
}

/** An hour of one worker, from 10% of `top` to all of it. */
export function rising(app: string, top: number, slices = 360): AppHistory {
  const memory = Array.from({ length: slices }, (_, i) => Math.round(top * (0.1 + (0.9 * i) / (slices - 1))));
  const none = Array<null>(slices).fill(null);
  const worker = { worker: '0', resident_memory_bytes: memory, heap_used_bytes: none, heap_live_bytes: none };
  const runtime = { eventloop_lag_p99_seconds: none, gc_ratio: [...none.slice(2), 0.034, null] };
  return { app, start_seconds: NOW / 1000 - slices * 10, step_seconds: 10, workers: [{ ...worker, ...runtime }] };
}

const leaking: AppAdvice = {
  app: 'shop',
  advice: [
    { code: 'no_leak', workers: ['1'], sentence: 'has no leak', change: null, measured_seconds: 1, figures: { baseline_bytes: 1, most_bytes: 1 } },
    {
      code: 'leak', workers: ['0'], sentence: 'leaks: its heap grows', change: 'read suspects.txt', measured_seconds: 3600,
      figures: { class: 'heap', bytes_per_second: 8611, confidence: 0.91, forecast_seconds: null },
    },
  ],
};

/** Control characters, sequences that clear and retitle, marks without end, and what is wide or has no width. */
export const HOSTILE = '\x1b[2J\x1b]0;pwned\x07\r\n\u202e中文💣👩‍👩‍👧🇩🇪e\u0301\u0301\u0301\u0301\u0301\ud800\u009b2J';

export function viewOf(made: Partial<View> = {}): View {
  const outcome = incidentOf({ id: 'a' }).outcome!;
  const evidence = { folder: '/e', files: [], finding: '93% of what it kept is from cache.js:12', notes: [] };
  return {
    url: 'http://127.0.0.1:9973',
    nowMs: NOW,
    heardAtMs: NOW - 1000,
    lost: null,
    status: {
      version: '1.2.3', now_seconds: NOW / 1000 - 1, sample_interval_seconds: 5, trigger: 'embedded', config_ok: true,
      history_saved_seconds: NOW / 1000 - 13, state_writable: true,
    },
    apps: [
      appStatus('shop', [
        workerStatus({ levels: { rss: 'warning' }, forecast_seconds: 740, leak: { class: 'heap', bytes_per_second: 8611, confidence: 0.91, companions: [] } }),
        workerStatus({ worker: '1', levels: { rss: 'critical', heap: 'warning' }, resident_memory_bytes: 720 * MB }),
      ]),
      appStatus(HOSTILE, [workerStatus({ pid: null, up: false, state: 'stopped', resident_memory_bytes: null, heap_used_bytes: null, uptime_seconds: null, eventloop_lag_p99_seconds: null })], { limits: {} }),
    ],
    incidents: [
      incidentOf({ id: 'b', action: 'refuse', reason: 'budget', outcome: null, sentence: `shop/1: refused ${HOSTILE}` } as const),
      incidentOf({ id: 'a', atMs: NOW - 86_400_000 * 2, outcome: { ...outcome, evidence } }),
    ].map(incidentStatus),
    advice: [leaking],
    histories: new Map([['shop', rising('shop', 612 * MB)]]),
    range: '1h',
    selected: null,
    help: false,
    ...made,
  };
}
