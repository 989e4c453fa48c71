/** The fleet: who is near a limit, where memory is heading, what was restarted and what not. */
import { forecast, growth, memory, share, state } from './columns.js';
import {
  CARRIED_OUT, DID_NOT_HELP, EACH_WORKER, OF_APP, OF_WARDEN, UIDS, VARIABLES, WORKER, dashboard, inDepth, linkTo, shareOf,
  sinceTurned, statusPage, type Dashboard,
} from './dashboard.js';
import { graph, row, stat, table, type Size } from './panels.js';

const SMALL: Size = { w: 4, h: 4 };
const HALF: Size = { w: 12, h: 9 };
const { datasource, job, instance, app } = VARIABLES;

const BAD = [{ color: 'green', value: null }, { color: 'red', value: 1 }];
const ODD = [{ color: 'green', value: null }, { color: 'orange', value: 1 }];
const LINKS = [inDepth('worker', '__field.labels'), statusPage('__field.labels')];
const ROW_LABELS = {
  app: [inDepth('app', '__data.fields')],
  worker: [inDepth('worker', '__data.fields')],
  instance: [statusPage('__data.fields')],
  job: [],
};

const blocked = (by: string): string => `sum by (${by}) (heapwarden_restarts_blocked{${OF_APP}})`;
/** Only of wardens: the variable of the job may stand for every job of this Prometheus. A relay has no agents. */
const wardenOnly = `and on (job, instance) last_over_time(heapwarden_agents_connected{${OF_WARDEN}}[24h])`;

export const overview = (): Dashboard =>
  dashboard({
    uid: UIDS.overview,
    title: 'heapwarden / Overview',
    description: 'Node.js services under heapwarden: who is near a limit, where memory is heading, what was restarted and what was refused.',
    links: [linkTo('One app in depth', UIDS.app)],
    variables: [datasource, job, instance, app],
    marked: OF_APP,
    panels: [
      stat({ title: 'heapwarden down', description: 'Wardens that Prometheus reached in the last 24 hours and does not reach now. Nothing below tells of what they watch.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum((1 - up{${OF_WARDEN}}) ${wardenOnly})` }] }, BAD),
      stat({ title: 'Workers down', description: 'Configured workers without a process.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(1 - heapwarden_process_up{${OF_APP}})` }] }, BAD),
      stat({ title: 'Near their limit', description: 'Workers at 80 % of their restart limit for memory, or above it.', unit: 'short', size: SMALL, empty: 'no limit',
        queries: [{ expr: `sum(${shareOf(OF_APP)} >= bool 0.8)` }] }, ODD),
      stat({ title: 'Reach it within an hour', description: 'Workers that reach their restart limit for memory within an hour, at the present trend.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(heapwarden_forecast_seconds{${OF_APP}} < bool 3600) or vector(0)` }] }, ODD),
      stat({ title: 'Died of memory in a day', description: 'Processes that V8’s heap limit or the kernel has ended in the last 24 hours, before heapwarden could restart them.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_out_of_memory_deaths_total{${OF_APP}}[24h]))` }] }, BAD),
      stat({ title: 'Restarts blocked', description: 'Workers that are not restarted automatically for now: paused, outside their window, or because restarts did not help.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(max ${EACH_WORKER} (heapwarden_restarts_blocked{${OF_APP}}))` }] }, ODD),
      stat({ title: 'Workers up', description: 'Configured workers whose process runs.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(heapwarden_process_up{${OF_APP}})` }] }),
      stat({ title: 'Silent agents', description: 'Workers whose agent is expected and does not report in: nothing is known of their heap and event loop.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(1 - heapwarden_agent_up{${OF_APP}})` }] }, ODD),
      stat({ title: 'Restarts in a day', description: 'Restarts that heapwarden has carried out in the last 24 hours.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_restarts_total{${OF_APP}, ${CARRIED_OUT}}[24h]))` }] }),
      stat({ title: 'Restarts that did not help', description: 'In the last 24 hours: not ready in time, failed, or above the critical line again at once.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_restarts_total{${OF_APP}, ${DID_NOT_HELP}}[24h]))` }] }, BAD),
      stat({ title: 'Refusals in a day', description: 'Restarts that were asked for and refused in the last 24 hours.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_restart_refusals_total{${OF_APP}}[24h]))` }] }),
      stat({ title: 'Budgets used up', description: 'Apps that may not be restarted again until their budget’s window has moved on.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(heapwarden_restart_budget_remaining{${OF_APP}} < bool 1)` }] }, ODD),
      row('Memory'),
      table({ title: 'Nearest to their limit', description: 'Resident memory as a share of the restart limit, what leaks, and the time until the limit is reached at the present trend; none where there is no trend. Click an app, a worker or an instance.', size: { w: 24, h: 10 },
        labels: ROW_LABELS, columns: [state(OF_APP), share(OF_APP), memory(OF_APP), growth(OF_APP), forecast(OF_APP)], sortBy: { title: 'Of the limit', desc: true } }),
      graph({ title: 'Memory against the limit', description: 'Resident memory of each worker as a share of its restart limit: the red line.', unit: 'percentunit', size: HALF, empty: 'No app has a restart limit for memory',
        queries: [{ expr: shareOf(OF_APP), legend: WORKER }] }, { lines: { orange: 0.8, red: 1 }, links: LINKS }),
      graph({ title: 'Time until the limit', description: 'At the present trend; nothing where there is no trend.', unit: 's', size: HALF, empty: 'No trend towards a limit',
        queries: [{ expr: `heapwarden_forecast_seconds{${OF_APP}}`, legend: WORKER }] }, { lines: { red: 3600 }, links: LINKS }),
      graph({ title: 'Leaks', description: 'Steady growth that neither a cache that fills, nor a sawtooth, nor the load of a day explains, by what grows.', unit: 'Bps', size: HALF, empty: 'Nothing leaks',
        queries: [{ expr: `heapwarden_leak_rate_bytes_per_second{${OF_APP}} > 0`, legend: `${WORKER} {{class}}` }] }, { links: LINKS }),
      graph({ title: 'Deaths for want of memory', description: 'Processes that V8 (oom_heap) or the kernel (oom_kernel) has ended. A limit that is lower, or a heap that may be larger, comes first.', unit: 'short', size: HALF, empty: 'None in this time',
        queries: [{ expr: `sum by (app, reason) (increase(heapwarden_out_of_memory_deaths_total{${OF_APP}}[$__rate_interval])) > 0`, legend: '{{app}} {{reason}}' }] }, { bars: true }),
      row('Restarts'),
      graph({ title: 'Restarts by reason', description: 'What heapwarden has restarted, by reason and result.', unit: 'short', size: HALF, empty: 'None in this time',
        queries: [{ expr: `sum by (app, reason, result) (increase(heapwarden_restarts_total{${OF_APP}, ${CARRIED_OUT}}[$__rate_interval])) > 0`, legend: '{{app}} {{reason}} {{result}}' }] }, { bars: true }),
      graph({ title: 'Refusals', description: 'Restarts that were asked for and not done, by why. The runbook has a table of what to do about each.', unit: 'short', size: HALF, empty: 'None in this time',
        queries: [{ expr: `sum by (app, refusal) (increase(heapwarden_restart_refusals_total{${OF_APP}}[$__rate_interval])) > 0`, legend: '{{app}} {{refusal}}' }] }, { bars: true }),
      graph({ title: 'Workers whose restarts are blocked', description: 'By app and why: paused by a person, outside_window, or ineffective, which a person ends with heapwarden resume.', unit: 'short', size: HALF, empty: 'None in this time',
        queries: [{ expr: `${blocked('instance, app, refusal')} > 0`, legend: '{{instance}} {{app}} {{refusal}}' }] }),
      graph({ title: 'Budget that is left', description: 'Restarts that each app may still have. At 0 nothing is restarted until the budget’s window has moved on.', unit: 'short', size: HALF,
        queries: [{ expr: `heapwarden_restart_budget_remaining{${OF_APP}}`, legend: '{{instance}} {{app}}' }] }),
      graph({ title: 'How long restarts take', description: '95th percentile of the restarts in the 24 hours before: from the decision until the new process is ready, and the part of it without a process that is ready. No finer than the buckets are.', unit: 's', size: HALF, empty: 'No restart in a day',
        queries: [
          { expr: `histogram_quantile(0.95, sum by (le, app) (increase(heapwarden_restart_duration_seconds_bucket{${OF_APP}}[24h])))`, legend: '{{app}} until ready' },
          { expr: `histogram_quantile(0.95, sum by (le, app) (increase(heapwarden_restart_downtime_seconds_bucket{${OF_APP}}[24h])))`, legend: '{{app}} away' },
        ] }),
      row('Event loops'),
      graph({ title: 'Event-loop delay', description: '99th percentile over the agent’s own window of each worker.', unit: 's', size: HALF,
        queries: [{ expr: `heapwarden_nodejs_eventloop_lag_p99_seconds{${OF_APP}}`, legend: WORKER }] }, { links: LINKS }),
      graph({ title: 'Since the event loop last turned', description: 'A process whose event loop does not turn answers nobody; its agent’s heartbeat tells.', unit: 's', size: HALF,
        queries: [{ expr: sinceTurned(OF_APP), legend: WORKER }] }, { links: LINKS }),
      row('heapwarden itself'),
      stat({ title: 'Agents', description: 'Agents that report in, also of apps that are not configured.', unit: 'short', size: SMALL, queries: [{ expr: `sum(heapwarden_agents_connected{${OF_WARDEN}})` }] }),
      stat({ title: 'Failed reloads', description: 'Wardens whose last reload failed: they run on with the config before.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(1 - heapwarden_config_last_reload_successful{${OF_WARDEN}})` }] }, BAD),
      stat({ title: 'Failing collectors', description: 'Parts of the measurement that fail.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(1 - heapwarden_collector_success{${OF_WARDEN}})` }] }, BAD),
      stat({ title: 'Journal errors in a day', description: 'While the journal cannot be written, nothing is restarted.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_journal_errors_total{${OF_WARDEN}}[24h]))` }] }, BAD),
      table({ title: 'Wardens', description: 'Each heapwarden with its version; click it for its status page.', size: { w: 8, h: 4 },
        labels: { instance: [statusPage('__data.fields')], version: [], node_version: [], job: [] },
        columns: [{ title: 'Warden', expr: `max by (job, instance, version, node_version) (heapwarden_build_info{${OF_WARDEN}} ${wardenOnly})`, properties: null }],
        sortBy: { title: 'instance', desc: false } }),
      graph({ title: 'Alerts received', description: 'What Alertmanager has sent, by what was decided.', unit: 'ops', size: HALF, empty: 'None in this time',
        queries: [{ expr: `sum by (decision) (rate(heapwarden_alerts_received_total{${OF_WARDEN}}[$__rate_interval])) > 0`, legend: '{{decision}}' }] }),
      graph({ title: 'Memory of heapwarden', description: 'Resident memory of each warden itself.', unit: 'decbytes', size: HALF,
        queries: [{ expr: `process_resident_memory_bytes{${OF_WARDEN}} ${wardenOnly}`, legend: '{{instance}}' }] }),
    ],
  });
