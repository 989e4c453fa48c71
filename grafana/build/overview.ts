/** The fleet: who is near a limit, where memory is heading, what was restarted and what not. */
import { OF_APP, OF_WARDEN, UIDS, VARIABLES, dashboard, linkTo, type Dashboard } from './dashboard.js';
import { graph, row, stat, table, type Size } from './panels.js';

const SMALL: Size = { w: 4, h: 4 };
const HALF: Size = { w: 12, h: 9 };
const { datasource, job, instance, app } = VARIABLES;

/** Of the restart limit for memory, 0 to 1 and above. */
const SHARE = `heapwarden_process_resident_memory_bytes{${OF_APP}} / on (job, instance, app) group_left heapwarden_limit_bytes{${OF_APP}, resource="rss", level="restart"}`;
const WORKER = '{{instance}} {{app}}/{{worker}}';
const BAD = [{ color: 'green', value: null }, { color: 'red', value: 1 }];
const detail = {
  title: 'In depth',
  url: `/d/${UIDS.app}?var-datasource=\${datasource}&var-job=\${__data.fields.job}&var-instance=\${__data.fields.instance}&var-app=\${__data.fields.app}&\${__url_time_range}`,
};
const statusPage = { title: 'Status page of this heapwarden', url: 'http://${__data.fields.instance}/', targetBlank: true };

export const overview = (): Dashboard =>
  dashboard({
    uid: UIDS.overview,
    title: 'heapwarden / Overview',
    description: 'Node.js services under heapwarden: who is near a limit, where memory is heading, what was restarted and what was refused.',
    links: [linkTo('One app in depth', UIDS.app)],
    variables: [datasource, job, instance, app],
    panels: [
      stat({ title: 'Workers up', description: 'Configured workers whose process runs.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(heapwarden_process_up{${OF_APP}})` }] }),
      stat({ title: 'Workers down', description: 'Configured workers without a process.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(1 - heapwarden_process_up{${OF_APP}})` }] }, BAD),
      stat({ title: 'Near their limit', description: 'Workers at 80 % of their restart limit for memory, or above it.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(${SHARE} >= bool 0.8)` }] }, [{ color: 'green', value: null }, { color: 'orange', value: 1 }]),
      stat({ title: 'Restarts in a day', description: 'Restarts that heapwarden has carried out in the last 24 hours.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_restarts_total{${OF_APP}}[24h]))` }] }),
      stat({ title: 'Restarts that did not help', description: 'In the last 24 hours: not ready in time, failed, or above the critical line again at once.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_restarts_total{${OF_APP}, result!="recovered"}[24h]))` }] }, BAD),
      stat({ title: 'Refusals in a day', description: 'Restarts that were asked for and refused in the last 24 hours.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_restart_refusals_total{${OF_APP}}[24h]))` }] }),
      row('Memory'),
      table(
        { title: 'Nearest to their limit', description: 'Resident memory as a share of the restart limit, and the time until it is reached at the present trend; none where there is no trend.', unit: 'none', size: HALF,
          queries: [
            { expr: SHARE, instant: true },
            { expr: `heapwarden_process_resident_memory_bytes{${OF_APP}}`, instant: true },
            { expr: `heapwarden_forecast_seconds{${OF_APP}}`, instant: true },
          ] },
        {
          hidden: ['__name__'],
          titles: { 'Value #A': 'Of the limit', 'Value #B': 'Memory', 'Value #C': 'Reaches it in' },
          columns: {
            'Of the limit': { unit: 'percentunit', 'custom.cellOptions': { type: 'gauge', mode: 'gradient' }, max: 1, min: 0,
              thresholds: { mode: 'absolute', steps: [{ color: 'green', value: null }, { color: 'orange', value: 0.8 }, { color: 'red', value: 1 }] } },
            Memory: { unit: 'bytes' },
            'Reaches it in': { unit: 's' },
            app: { links: [detail] },
            instance: { links: [statusPage] },
          },
          sortBy: { title: 'Of the limit', desc: true },
        },
      ),
      graph({ title: 'Memory against the limit', description: 'Resident memory of each worker as a share of its restart limit.', unit: 'percentunit', size: HALF,
        queries: [{ expr: SHARE, legend: WORKER }] }),
      graph({ title: 'Leaks', description: 'Steady growth that neither a cache that fills, nor a sawtooth, nor the load of a day explains, by what grows.', unit: 'Bps', size: HALF,
        queries: [{ expr: `heapwarden_leak_rate_bytes_per_second{${OF_APP}}`, legend: `${WORKER} {{class}}` }] }),
      graph({ title: 'Time until the limit', description: 'At the present trend; nothing where there is no trend.', unit: 's', size: HALF,
        queries: [{ expr: `heapwarden_forecast_seconds{${OF_APP}}`, legend: WORKER }] }),
      row('Restarts'),
      graph({ title: 'Restarts by reason', description: 'What heapwarden has restarted, by reason and result.', unit: 'short', size: HALF,
        queries: [{ expr: `sum by (app, reason, result) (increase(heapwarden_restarts_total{${OF_APP}}[$__rate_interval]))`, legend: '{{app}} {{reason}} {{result}}' }] }),
      graph({ title: 'Refusals', description: 'Restarts that were asked for and not done, by why. The runbook has a table of what to do about each.', unit: 'short', size: HALF,
        queries: [{ expr: `sum by (app, refusal) (increase(heapwarden_restart_refusals_total{${OF_APP}}[$__rate_interval]))`, legend: '{{app}} {{refusal}}' }] }),
      graph({ title: 'Budget that is left', description: 'Restarts that each app may still have. At 0 nothing is restarted until the budget’s window has moved on.', unit: 'short', size: HALF,
        queries: [{ expr: `heapwarden_restart_budget_remaining{${OF_APP}}`, legend: '{{instance}} {{app}}' }] }),
      graph({ title: 'How long restarts take', description: 'From the decision until the new process is ready: 95th percentile.', unit: 's', size: HALF,
        queries: [{ expr: `histogram_quantile(0.95, sum by (le, app) (increase(heapwarden_restart_duration_seconds_bucket{${OF_APP}}[24h])))`, legend: '{{app}}' }] }),
      row('Event loops'),
      graph({ title: 'Event-loop delay', description: '99th percentile over the agent’s own window of each worker.', unit: 's', size: HALF,
        queries: [{ expr: `heapwarden_nodejs_eventloop_lag_p99_seconds{${OF_APP}}`, legend: WORKER }] }),
      graph({ title: 'Since the event loop last turned', description: 'A process whose event loop does not turn answers nobody; its agent’s heartbeat tells.', unit: 's', size: HALF,
        queries: [{ expr: `time() - heapwarden_nodejs_eventloop_heartbeat_timestamp_seconds{${OF_APP}}`, legend: WORKER }] }),
      row('heapwarden itself'),
      stat({ title: 'Agents', description: 'Agents that report in.', unit: 'short', size: SMALL, queries: [{ expr: `sum(heapwarden_agents_connected{${OF_WARDEN}})` }] }),
      stat({ title: 'Failed reloads', description: 'Wardens whose last reload failed: they run on with the config before.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(1 - heapwarden_config_last_reload_successful{${OF_WARDEN}})` }] }, BAD),
      stat({ title: 'Failing collectors', description: 'Parts of the measurement that fail.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(1 - heapwarden_collector_success{${OF_WARDEN}})` }] }, BAD),
      stat({ title: 'Journal errors', description: 'While the journal cannot be written, nothing is restarted. In the last 24 hours.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_journal_errors_total{${OF_WARDEN}}[24h]))` }] }, BAD),
      graph({ title: 'Alerts received', description: 'What Alertmanager has sent, by what was decided.', unit: 'ops', size: { w: 8, h: 7 },
        queries: [{ expr: `sum by (decision) (rate(heapwarden_alerts_received_total{${OF_WARDEN}}[$__rate_interval]))`, legend: '{{decision}}' }] }),
    ],
  });
