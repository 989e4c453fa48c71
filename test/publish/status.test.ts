import t from 'tap';
import { History } from '../../src/act/history.js';
import { appStatuses } from '../../src/publish/status.js';
import { MB, NOW } from '../decide/support.js';
import { CLOCK, VIEW } from './support.js';

const statuses = (busy = '') =>
  appStatuses(VIEW, (app, worker) => `${app}/${worker}` === busy);

t.test('every configured app, and those whose agents report in', async (t) => {
  const [shop, fixed, stranger, ...others] = statuses();
  t.strictSame(others, []);
  t.match(shop, { app: 'shop', supervisor: 'pm2', managed: true, restart_budget_remaining: 3 });
  t.strictSame(shop!.limits, {
    rss: { warning: 500 * MB, critical: 700 * MB, restart: 768 * MB },
    heap: { warning: 0.8, restart: 0.95 },
    freeze: { critical: 5, restart: 15 },
    uptime: { restart: 21_600 },
  });
  t.match(fixed, { app: 'static', managed: true, workers: [{ heap_used_bytes: null, node_version: null }] });
  t.match(stranger, { app: 'stranger', supervisor: 'none', managed: false, restart_budget_remaining: null });
  t.strictSame(shop!.workers, [
    {
      worker: '0',
      up: true,
      state: 'running',
      pid: 100,
      node_version: '22.23.3',
      agent_version: '0.0.9',
      resident_memory_bytes: 100 * MB,
      heap_used_bytes: 30 * MB,
      heap_limit_bytes: 100 * MB,
      heap_live_bytes: 20 * MB,
      external_memory_bytes: 2 * MB,
      eventloop_lag_p99_seconds: 0.01,
      eventloop_utilization_ratio: 0.125,
      heartbeat_age_seconds: 0.25,
      cpu_seconds_total: 12.5,
      uptime_seconds: 3600,
      levels: {},
      standstill: null,
      forecast_seconds: 15_000,
      leak: {
        class: 'heap',
        bytes_per_second: 8611,
        confidence: 0.91,
        companions: [{ type: 'TCPSocketWrap', from: 12, to: 840 }],
      },
      restarting: false,
      cooldown_seconds: 299,
      blocked: [],
    },
    {
      worker: '1',
      up: false,
      state: 'crash_loop',
      pid: null,
      node_version: null,
      agent_version: null,
      resident_memory_bytes: null,
      heap_used_bytes: null,
      heap_limit_bytes: null,
      heap_live_bytes: null,
      external_memory_bytes: null,
      eventloop_lag_p99_seconds: null,
      eventloop_utilization_ratio: null,
      heartbeat_age_seconds: null,
      cpu_seconds_total: 12.5,
      uptime_seconds: null,
      levels: {},
      standstill: null,
      forecast_seconds: null,
      leak: null,
      restarting: false,
      cooldown_seconds: 0,
      blocked: [],
    },
  ]);
});

t.test('memory as the config means it, and the highest level of each resource', async (t) => {
  const [running] = VIEW.workers;
  const reading = { ...running!.reading!, treeRssBytes: 700 * MB, startedAtMs: NOW - 7 * 3_600_000 };
  const workers = [{ ...running!, reading, agent: { ...running!.agent!, heartbeatAt: NOW - 5000 } }];
  const [shop] = appStatuses({ ...VIEW, workers, history: new History([], CLOCK) }, () => false);
  t.strictSame(shop!.workers[0]!.levels, { rss: 'critical', freeze: 'critical', uptime: 'restart' });
  t.equal(shop!.workers[0]!.resident_memory_bytes, 700 * MB);
  t.equal(statuses()[1]!.workers[0]!.resident_memory_bytes, 10 * MB, 'of the process alone');
});

t.test('a worker between two processes, and an app without any', async (t) => {
  const gone = { ...VIEW.workers[0]!, reading: null, agent: null };
  const [shop, fixed] = appStatuses({ ...VIEW, workers: [gone] }, () => true);
  t.match(shop!.workers, [{ up: false, state: 'stopped', restarting: true }]);
  const budget = { restart_budget_remaining: 5, restart_budget: { count: 5, window_seconds: 3600 } };
  t.strictSame(fixed, { app: 'static', supervisor: 'pm2', managed: true, ...budget, dry_run: false, limits: {}, paused: null, workers: [] });
});
