/** One app in depth. */
import { forecast, gaveBack, growth, info, lastRestart, memory, share, started, state } from './columns.js';
import {
  CARRIED_OUT, EACH_WORKER, OF_APP, OF_WORKER, UIDS, VARIABLES, WORKER, dashboard, inDepth, linkTo, shareOf, sinceTurned, statusPage,
  type Dashboard,
} from './dashboard.js';
import { graph, row, stat, table, type Query, type Size } from './panels.js';

const SMALL: Size = { w: 3, h: 4 };
const HALF: Size = { w: 12, h: 9 };
const WIDE: Size = { w: 24, h: 11 };
const LINKS = [inDepth('worker', '__field.labels'), statusPage('__field.labels')];
const { datasource, job, instance, app, worker } = VARIABLES;

const of = (metric: string, more = ''): string => `${metric}{${OF_WORKER}${more}}`;
const used = of('heapwarden_nodejs_heap_size_used_bytes');
/** A process that has had no major collection tells none. Without the 0, its used heap would be in neither part of it. */
const live = `(${of('heapwarden_nodejs_heap_live_bytes')} or on (job, instance, app, worker) ${used} * 0)`;
const reserve = `sum(${of('heapwarden_nodejs_heap_size_total_bytes')} - ${used})`;
const garbage = `clamp_min(sum(${used} - ${live}), 0)`;
const collecting = `rate(${of('heapwarden_nodejs_gc_duration_seconds_sum')}[$__rate_interval])`;
/** A tenth is much for one worker: the times of several must not be summed up to it. */
const collectingMost = `topk(1, sum ${EACH_WORKER} (${collecting}))`;
const native =
  `clamp_min(sum(${of('heapwarden_process_resident_memory_bytes')} - ${of('heapwarden_nodejs_heap_size_total_bytes')} - ${of('heapwarden_nodejs_external_memory_bytes')}), 0)`;

const LEVELS = ['warning', 'critical', 'restart'] as const;
const COLOURS = { 'warning limit': 'yellow', 'critical limit': 'orange', 'restart limit': 'red' };
const limitsOf = (metric: string, resource: string): Query[] =>
  LEVELS.map((level) => ({
    expr: `max by (app) (${metric}{${OF_APP}, resource="${resource}", level="${level}"})`,
    legend: `{{app}} ${level} limit`,
  }));
/** What all chosen workers together may hold: with one of them chosen, its limit. */
const LIMITS_TOGETHER: Query[] = LEVELS.map((level) => ({
  expr: `sum(${of('heapwarden_process_up')} * on (job, instance, app) group_left heapwarden_limit_bytes{${OF_APP}, resource="rss", level="${level}"})`,
  legend: `${level} limit`,
}));

export const appInDepth = (): Dashboard =>
  dashboard({
    uid: UIDS.app,
    title: 'heapwarden / App',
    description: 'One app under heapwarden: memory by kind against its limits, garbage collection, the event loop, and what its restarts did.',
    // Of the status page there is one for each instance: the table's column links there, and so does every line of a worker.
    links: [linkTo('Overview', UIDS.overview)],
    variables: [datasource, job, instance, app, worker],
    marked: OF_WORKER,
    panels: [
      stat({ title: 'Workers up', description: 'Workers whose process runs.', unit: 'short', size: SMALL, queries: [{ expr: `sum(${of('heapwarden_process_up')})` }] }),
      stat({ title: 'Largest worker', description: 'Its resident memory.', unit: 'decbytes', size: SMALL, queries: [{ expr: `max(${of('heapwarden_process_resident_memory_bytes')})` }] }),
      stat({ title: 'Of its limit', description: 'Of the worker that is nearest to its restart limit for memory.', unit: 'percentunit', size: SMALL, empty: 'no limit',
        queries: [{ expr: `max(${shareOf(OF_WORKER)})` }] }, [{ color: 'green', value: null }, { color: 'orange', value: 0.8 }, { color: 'red', value: 1 }]),
      stat({ title: 'Reaches it in', description: 'The first worker to reach its restart limit for memory, at the present trend.', unit: 's', size: SMALL, empty: 'no trend',
        queries: [{ expr: `min(${of('heapwarden_forecast_seconds')})` }] }, [{ color: 'red', value: null }, { color: 'orange', value: 3600 }, { color: 'text', value: 86_400 }]),
      stat({ title: 'Newest process', description: 'Time since the newest of the processes has started, whoever started it.', unit: 's', size: SMALL,
        queries: [{ expr: `min(time() - ${of('heapwarden_process_start_time_seconds')})` }] }),
      stat({ title: 'Restarts in a day', description: 'Carried out by heapwarden in the last 24 hours, of the whole app.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(increase(heapwarden_restarts_total{${OF_APP}, ${CARRIED_OUT}}[24h]))` }] }),
      stat({ title: 'Budget left', description: 'Restarts that the app may still have; of several apps, the one with the least.', unit: 'short', size: SMALL,
        queries: [{ expr: `min(heapwarden_restart_budget_remaining{${OF_APP}})` }] }, [{ color: 'red', value: null }, { color: 'green', value: 1 }]),
      stat({ title: 'Restarts blocked', description: 'Workers that are not restarted automatically for now: paused, outside their window, or because restarts did not help.', unit: 'short', size: SMALL,
        queries: [{ expr: `sum(max by (job, instance, app, worker) (${of('heapwarden_restarts_blocked')}))` }] }, [{ color: 'green', value: null }, { color: 'orange', value: 1 }]),
      table({ title: 'Workers', description: 'What runs now, where its memory is heading, and what its last restart gave back: near 0, it did not help. Click a worker to see it alone, an instance for its status page.', size: { w: 24, h: 7 },
        labels: { app: [], worker: [inDepth('worker', '__data.fields')], pid: [], node_version: [], supervisor: [], instance: [statusPage('__data.fields')], job: [] },
        columns: [state, share, memory, growth, forecast, started, lastRestart, gaveBack, info].map((column) => column(OF_WORKER)),
        sortBy: { title: 'Of the limit', desc: true } }),
      row('Memory'),
      graph(
        { title: 'Memory by kind', description: 'What the chosen workers hold together, and their limits together. Live heap is what the last major garbage collection left; garbage is used heap above that, all of it before the first; native is resident memory that V8 does not know of, the children’s too.', unit: 'decbytes', size: WIDE,
          queries: [
            { expr: `sum(${live})`, legend: 'live heap' },
            { expr: garbage, legend: 'garbage' },
            { expr: reserve, legend: 'heap reserve' },
            { expr: `sum(${of('heapwarden_nodejs_external_memory_bytes')})`, legend: 'external and buffers' },
            { expr: native, legend: 'native' },
            ...LIMITS_TOGETHER,
          ] },
        { stacked: true, limits: COLOURS },
      ),
      graph({ title: 'Resident memory', description: 'Of each worker, with its children unless memory: process is configured; with the limits of each app.', unit: 'decbytes', size: HALF,
        queries: [{ expr: of('heapwarden_process_resident_memory_bytes'), legend: WORKER }, ...limitsOf('heapwarden_limit_bytes', 'rss')] },
        { limits: COLOURS, links: LINKS }),
      graph({ title: 'Heap against V8’s own limit', description: 'Used heap as a share of V8’s heap limit, at which V8 aborts the process. With the limits that are configured.', unit: 'percentunit', size: HALF,
        queries: [
          { expr: `${used} / ${of('heapwarden_nodejs_heap_size_limit_bytes')}`, legend: WORKER },
          ...limitsOf('heapwarden_limit_ratio', 'heap'),
        ] }, { max: 1, limits: COLOURS, links: LINKS }),
      graph({ title: 'Heap by space', description: 'Used heap of the chosen workers by V8’s heap space.', unit: 'decbytes', size: HALF,
        queries: [{ expr: `sum by (space) (${of('heapwarden_nodejs_heap_space_size_used_bytes')})`, legend: '{{space}}' }] }, { stacked: true }),
      graph({ title: 'External memory', description: 'Outside V8’s heap and known to it; array buffers are part of external.', unit: 'decbytes', size: HALF,
        queries: [
          { expr: of('heapwarden_nodejs_external_memory_bytes'), legend: `${WORKER} external` },
          { expr: of('heapwarden_nodejs_array_buffers_bytes'), legend: `${WORKER} array buffers` },
        ] }),
      graph({ title: 'Leak by class', description: 'Steady growth by what grows: heap, buffers, native memory or children. 0: measured, and it does not leak.', unit: 'Bps', size: HALF,
        queries: [{ expr: of('heapwarden_leak_rate_bytes_per_second'), legend: `${WORKER} {{class}}` }] }),
      graph({ title: 'Active resources', description: 'What keeps the event loop alive, by type. One that only ever grows is a leak’s companion.', unit: 'short', size: HALF,
        queries: [{ expr: `sum by (type) (${of('heapwarden_nodejs_active_resources')})`, legend: '{{type}}' }] }),
      row('Garbage collection'),
      graph({ title: 'Time in garbage collection', description: 'Share of its time, by kind, of the chosen worker that spends the most. Above a tenth, its heap limit is too low, or it leaks.', unit: 'percentunit', size: HALF,
        queries: [{ expr: `sum by (kind) (${collecting} and on (job, instance, app, worker) ${collectingMost})`, legend: '{{kind}}' }] }, { stacked: true }),
      graph({ title: 'Pauses of garbage collection', description: '99th percentile by kind, no finer than the buckets are.', unit: 's', size: HALF,
        queries: [{ expr: `histogram_quantile(0.99, sum by (le, kind) (rate(${of('heapwarden_nodejs_gc_duration_seconds_bucket')}[$__rate_interval])))`, legend: '{{kind}}' }] }),
      row('Event loop'),
      graph({ title: 'Event-loop delay', description: 'Of the slowest chosen worker, over the agent’s own window; the timer’s resolution is subtracted.', unit: 's', size: HALF,
        queries: (['p50', 'p90', 'p99', 'max'] as const).map((name) => ({ expr: `max(${of(`heapwarden_nodejs_eventloop_lag_${name}_seconds`)})`, legend: name })) }),
      graph({ title: 'Event-loop utilization', description: 'Share of the time in which the loop was busy. At 1 it has no time for anything new.', unit: 'percentunit', size: HALF,
        queries: [{ expr: of('heapwarden_nodejs_eventloop_utilization_ratio'), legend: WORKER }] }, { max: 1 }),
      graph({ title: 'Since the event loop last turned', description: 'By the agent’s heartbeat, with the limits for a freeze.', unit: 's', size: HALF,
        queries: [
          { expr: sinceTurned(OF_WORKER), legend: WORKER },
          ...limitsOf('heapwarden_limit_seconds', 'freeze'),
        ] }, { limits: COLOURS, links: LINKS }),
      row('Process'),
      graph({ title: 'CPU', description: 'Cores that are in use, user and system, with the children.', unit: 'none', size: HALF,
        queries: [{ expr: `rate(${of('heapwarden_process_cpu_seconds_total')}[$__rate_interval])`, legend: WORKER }] }),
      graph({ title: 'File descriptors and threads', description: 'Open descriptors that only grow are a leak of sockets or files.', unit: 'short', size: HALF,
        queries: [
          { expr: of('heapwarden_process_open_fds'), legend: `${WORKER} descriptors` },
          { expr: of('heapwarden_process_threads'), legend: `${WORKER} threads` },
        ] }),
      row('Restarts'),
      graph({ title: 'Restarts by reason', description: 'Carried out by heapwarden, by reason and result, of the whole app.', unit: 'short', size: HALF, empty: 'None in this time',
        queries: [{ expr: `sum by (reason, result) (increase(heapwarden_restarts_total{${OF_APP}, ${CARRIED_OUT}}[$__rate_interval])) > 0`, legend: '{{reason}} {{result}}' }] }, { bars: true }),
      graph({ title: 'Refusals', description: 'Restarts that were asked for and not done, by why, of the whole app. The runbook has a table of what to do about each.', unit: 'short', size: HALF, empty: 'None in this time',
        queries: [{ expr: `sum by (refusal) (increase(heapwarden_restart_refusals_total{${OF_APP}}[$__rate_interval])) > 0`, legend: '{{refusal}}' }] }, { bars: true }),
      graph({ title: 'Memory that the last restart gave back', description: 'Before minus after. Near 0: the restart did not help.', unit: 'decbytes', size: HALF, empty: 'No restart yet',
        queries: [{ expr: of('heapwarden_restart_reclaimed_bytes'), legend: WORKER }] }, { min: null, links: LINKS }),
      graph({ title: 'Age of the processes', description: 'It falls to 0 at every start, also at those that heapwarden did not cause: a drop without a mark is a crash, a deployment, or the supervisor. With the limits for uptime.', unit: 's', size: HALF,
        queries: [{ expr: `time() - ${of('heapwarden_process_start_time_seconds')}`, legend: WORKER }, ...limitsOf('heapwarden_limit_seconds', 'uptime')] },
        { limits: COLOURS, links: LINKS }),
    ],
  });
