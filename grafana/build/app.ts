/** One app in depth. */
import { OF_APP, OF_WORKER, UIDS, VARIABLES, dashboard, linkTo, type Dashboard } from './dashboard.js';
import { graph, row, stat, table, type Size } from './panels.js';

const SMALL: Size = { w: 4, h: 4 };
const HALF: Size = { w: 12, h: 9 };
const WIDE: Size = { w: 24, h: 11 };
const WORKER = '{{instance}} {{app}}/{{worker}}';
const { datasource, job, instance, app, worker } = VARIABLES;

const of = (metric: string, more = ''): string => `${metric}{${OF_WORKER}${more}}`;
const limit = (metric: string, resource: string, level: string): string => `max(${metric}{${OF_APP}, resource="${resource}", level="${level}"})`;
const reserve = `sum(${of('heapwarden_nodejs_heap_size_total_bytes')} - ${of('heapwarden_nodejs_heap_size_used_bytes')})`;
const garbage = `clamp_min(sum(${of('heapwarden_nodejs_heap_size_used_bytes')} - ${of('heapwarden_nodejs_heap_live_bytes')}), 0)`;
const native =
  `clamp_min(sum(${of('heapwarden_process_resident_memory_bytes')} - ${of('heapwarden_nodejs_heap_size_total_bytes')} - ${of('heapwarden_nodejs_external_memory_bytes')}), 0)`;
const LEVELS = { 'warning limit': 'yellow', 'critical limit': 'orange', 'restart limit': 'red' };

export const appInDepth = (): Dashboard =>
  dashboard({
    uid: UIDS.app,
    title: 'heapwarden / App',
    description: 'One app under heapwarden: memory by kind against its limits, garbage collection, the event loop, and what its restarts did.',
    links: [
      linkTo('Overview', UIDS.overview),
      { title: 'Status page', type: 'link', icon: 'external link', url: 'http://${instance:raw}/', targetBlank: true, tooltip: 'with one instance chosen' },
    ],
    variables: [datasource, job, instance, app, worker],
    panels: [
      stat({ title: 'Up', description: 'Workers whose process runs.', unit: 'short', size: SMALL, queries: [{ expr: `sum(${of('heapwarden_process_up')})` }] }),
      stat({ title: 'Memory', description: 'Resident memory of the largest worker.', unit: 'bytes', size: SMALL, queries: [{ expr: `max(${of('heapwarden_process_resident_memory_bytes')})` }] }),
      stat({ title: 'Reaches its limit in', description: 'The first worker to do so, at the present trend; nothing where there is no trend.', unit: 's', size: SMALL,
        queries: [{ expr: `min(${of('heapwarden_forecast_seconds')})` }] }, [{ color: 'red', value: null }, { color: 'orange', value: 3600 }, { color: 'text', value: 86_400 }]),
      stat({ title: 'Uptime', description: 'Of the oldest process.', unit: 's', size: SMALL, queries: [{ expr: `max(time() - ${of('heapwarden_process_start_time_seconds')})` }] }),
      stat({ title: 'Restarts in a day', description: 'Carried out by heapwarden in the last 24 hours.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_restarts_total{${OF_APP}}[24h]))` }] }),
      stat({ title: 'Budget that is left', description: 'Restarts that the app may still have.', unit: 'short', size: SMALL,
        queries: [{ expr: `min(heapwarden_restart_budget_remaining{${OF_APP}})` }] }, [{ color: 'red', value: null }, { color: 'green', value: 1 }]),
      row('Memory'),
      graph(
        { title: 'Memory by kind', description: 'What the chosen workers hold together. Live heap is what the last major garbage collection left; garbage is used heap above that; native is resident memory that V8 does not know of. The limits are those of one worker: choose one.', unit: 'bytes', size: WIDE,
          queries: [
            { expr: `sum(${of('heapwarden_nodejs_heap_live_bytes')})`, legend: 'live heap' },
            { expr: garbage, legend: 'garbage' },
            { expr: reserve, legend: 'heap reserve' },
            { expr: `sum(${of('heapwarden_nodejs_external_memory_bytes')})`, legend: 'external and buffers' },
            { expr: native, legend: 'native' },
            { expr: limit('heapwarden_limit_bytes', 'rss', 'warning'), legend: 'warning limit' },
            { expr: limit('heapwarden_limit_bytes', 'rss', 'critical'), legend: 'critical limit' },
            { expr: limit('heapwarden_limit_bytes', 'rss', 'restart'), legend: 'restart limit' },
          ] },
        { stacked: true, limits: LEVELS },
      ),
      graph(
        { title: 'Resident memory', description: 'Of each worker, with its children unless memory: process is configured; with the limits.', unit: 'bytes', size: HALF,
          queries: [
            { expr: of('heapwarden_process_resident_memory_bytes'), legend: WORKER },
            { expr: limit('heapwarden_limit_bytes', 'rss', 'warning'), legend: 'warning limit' },
            { expr: limit('heapwarden_limit_bytes', 'rss', 'critical'), legend: 'critical limit' },
            { expr: limit('heapwarden_limit_bytes', 'rss', 'restart'), legend: 'restart limit' },
          ] },
        { limits: LEVELS },
      ),
      graph(
        { title: 'Heap against V8’s own limit', description: 'Used heap as a share of V8’s heap limit, at which V8 aborts the process. With the limits that are configured.', unit: 'percentunit', size: HALF,
          queries: [
            { expr: `${of('heapwarden_nodejs_heap_size_used_bytes')} / ${of('heapwarden_nodejs_heap_size_limit_bytes')}`, legend: WORKER },
            { expr: limit('heapwarden_limit_ratio', 'heap', 'restart'), legend: 'restart limit' },
          ] },
        { max: 1, limits: LEVELS },
      ),
      graph({ title: 'Heap by space', description: 'Used heap of the chosen workers by V8’s heap space.', unit: 'bytes', size: HALF,
        queries: [{ expr: `sum by (space) (${of('heapwarden_nodejs_heap_space_size_used_bytes')})`, legend: '{{space}}' }] }, { stacked: true }),
      graph({ title: 'External memory', description: 'Outside V8’s heap and known to it; array buffers are part of external.', unit: 'bytes', size: HALF,
        queries: [
          { expr: of('heapwarden_nodejs_external_memory_bytes'), legend: `${WORKER} external` },
          { expr: of('heapwarden_nodejs_array_buffers_bytes'), legend: `${WORKER} array buffers` },
        ] }),
      graph({ title: 'Leak by class', description: 'Steady growth by what grows: heap, buffers, native memory or children. 0: measured, and it does not leak.', unit: 'Bps', size: HALF,
        queries: [{ expr: of('heapwarden_leak_rate_bytes_per_second'), legend: `${WORKER} {{class}}` }] }),
      graph({ title: 'Active resources', description: 'What keeps the event loop alive, by type. One that only ever grows is a leak’s companion.', unit: 'short', size: HALF,
        queries: [{ expr: `sum by (type) (${of('heapwarden_nodejs_active_resources')})`, legend: '{{type}}' }] }),
      row('Garbage collection'),
      graph({ title: 'Time in garbage collection', description: 'Share of the time, by kind. Above a tenth, the heap limit is too low, or the process leaks.', unit: 'percentunit', size: HALF,
        queries: [{ expr: `sum by (kind) (rate(${of('heapwarden_nodejs_gc_duration_seconds_sum')}[$__rate_interval]))`, legend: '{{kind}}' }] }, { stacked: true }),
      graph({ title: 'Pauses of garbage collection', description: '99th percentile by kind, no finer than the buckets are.', unit: 's', size: HALF,
        queries: [{ expr: `histogram_quantile(0.99, sum by (le, kind) (rate(${of('heapwarden_nodejs_gc_duration_seconds_bucket')}[$__rate_interval])))`, legend: '{{kind}}' }] }),
      row('Event loop'),
      graph({ title: 'Event-loop delay', description: 'Of the slowest chosen worker, over the agent’s own window; the timer’s resolution is subtracted.', unit: 's', size: HALF,
        queries: (['p50', 'p90', 'p99', 'max'] as const).map((name) => ({ expr: `max(${of(`heapwarden_nodejs_eventloop_lag_${name}_seconds`)})`, legend: name })) }),
      graph({ title: 'Event-loop utilization', description: 'Share of the time in which the loop was busy. At 1 it has no time for anything new.', unit: 'percentunit', size: HALF,
        queries: [{ expr: of('heapwarden_nodejs_eventloop_utilization_ratio'), legend: WORKER }] }, { max: 1 }),
      graph(
        { title: 'Since the event loop last turned', description: 'By the agent’s heartbeat, with the limits for a freeze.', unit: 's', size: HALF,
          queries: [
            { expr: `time() - ${of('heapwarden_nodejs_eventloop_heartbeat_timestamp_seconds')}`, legend: WORKER },
            { expr: limit('heapwarden_limit_seconds', 'freeze', 'restart'), legend: 'restart limit' },
          ] },
        { limits: LEVELS },
      ),
      row('Process'),
      graph({ title: 'CPU', description: 'Cores in use, user and system, with the children.', unit: 'none', size: HALF,
        queries: [{ expr: `rate(${of('heapwarden_process_cpu_seconds_total')}[$__rate_interval])`, legend: WORKER }] }),
      graph({ title: 'File descriptors and threads', description: 'Open descriptors that only grow are a leak of sockets or files.', unit: 'short', size: HALF,
        queries: [
          { expr: of('heapwarden_process_open_fds'), legend: `${WORKER} descriptors` },
          { expr: of('heapwarden_process_threads'), legend: `${WORKER} threads` },
        ] }),
      row('Restarts'),
      graph({ title: 'Memory that the last restart gave back', description: 'Before minus after. Near 0: the restart did not help.', unit: 'bytes', size: HALF,
        queries: [{ expr: of('heapwarden_restart_reclaimed_bytes'), legend: WORKER }] }),
      graph({ title: 'Refusals', description: 'Restarts that were asked for and not done, by why.', unit: 'short', size: HALF,
        queries: [{ expr: `sum by (refusal) (increase(heapwarden_restart_refusals_total{${OF_APP}}[$__rate_interval]))`, legend: '{{refusal}}' }] }),
      table(
        { title: 'Processes', description: 'What runs now.', unit: 'none', size: { w: 24, h: 7 }, queries: [{ expr: of('heapwarden_process_info'), instant: true }] },
        { hidden: ['__name__', 'Value'], titles: { node_version: 'Node.js' }, sortBy: { title: 'worker', desc: false } },
      ),
    ],
  });
