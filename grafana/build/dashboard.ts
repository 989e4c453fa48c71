/** The frame that both dashboards share. */
import { laidOut, type Link, type Panel, type Unplaced } from './panels.js';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

export interface Dashboard extends Record<string, unknown> {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: Variable[] };
}

export interface Variable extends Record<string, unknown> {
  name: string;
  type: string;
}

/** Selects what the variables name; `worker` where a metric has that label. */
export const OF_APP = 'job=~"$job", instance=~"$instance", app=~"$app"';
export const OF_WORKER = `${OF_APP}, worker=~"$worker"`;
export const OF_WARDEN = 'job=~"$job", instance=~"$instance"';

/** The labels of a worker. What is summed up by them has lost the metric's name, and what else a scrape config adds. */
export const EACH_WORKER = 'by (job, instance, app, worker)';
export const WORKER = '{{instance}} {{app}}/{{worker}}';
/** Resident memory of each worker, 1 at the restart limit; nothing where the app has no such limit. */
export const shareOf = (selector: string): string =>
  `heapwarden_process_resident_memory_bytes{${selector}} / on (job, instance, app) group_left ` +
  `heapwarden_limit_bytes{${OF_APP}, resource="rss", level="restart"}`;

/** Taken at the scrape that saw it, as in the alert rules: time() would add up to a whole scrape interval. */
export function sinceTurned(selector: string): string {
  const heartbeat = `heapwarden_nodejs_eventloop_heartbeat_timestamp_seconds{${selector}}`;
  return `timestamp(${heartbeat}) - ${heartbeat}`;
}

/** `cancelled`: nothing was done, as there was no reason for it any more. */
export const CARRIED_OUT = 'result!="cancelled"';
export const DID_NOT_HELP = 'result!~"recovered|cancelled"';

const datasource: Variable = {
  name: 'datasource',
  label: 'Data source',
  type: 'datasource',
  query: 'prometheus',
  refresh: 1,
  hide: 0,
  includeAll: false,
  multi: false,
};

function variable(name: string, label: string, query: string, more: object = {}): Variable {
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: 'StandardVariableQuery', qryType: 1 },
    refresh: 2, // on a change of the time range: what has gone is not offered
    sort: 7,
    multi: true,
    includeAll: true,
    allValue: '.+',
    current: { selected: true, text: ['All'], value: ['$__all'] },
    ...more,
  };
}

export const VARIABLES = {
  datasource,
  // Not of heapwarden_build_info, which a relay has as well.
  job: variable('job', 'Job', 'label_values(heapwarden_agents_connected, job)'),
  instance: variable('instance', 'Instance', 'label_values(heapwarden_agents_connected{job=~"$job"}, instance)'),
  app: variable('app', 'App', 'label_values(heapwarden_process_up{job=~"$job", instance=~"$instance"}, app)'),
  worker: variable('worker', 'Worker', 'label_values(heapwarden_process_up{job=~"$job", instance=~"$instance", app=~"$app"}, worker)'),
} as const;

/** A line at each restart, from the metric of its time: no other source is needed. Of what the selector selects. */
const restarts = (selector: string): object => ({
  name: 'Restarts',
  datasource: DATASOURCE,
  enable: true,
  iconColor: 'orange',
  expr: `heapwarden_restart_last_timestamp_seconds{${selector}} * 1000`,
  useValueForTime: true, // which is in milliseconds
  titleFormat: 'restart',
  textFormat: '{{app}}/{{worker}} on {{instance}}',
  tagKeys: 'app,worker',
});

export interface Frame {
  uid: string;
  title: string;
  description: string;
  links: object[];
  variables: Variable[];
  /** Whose restarts are marked in all graphs. */
  marked: string;
  panels: Unplaced[];
}

export function dashboard({ uid, title, description, links, variables, marked, panels }: Frame): Dashboard {
  return {
    uid,
    title,
    description,
    tags: ['heapwarden', 'nodejs'],
    schemaVersion: 39,
    version: 1,
    editable: false,
    graphTooltip: 1, // one crosshair for all panels
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    links,
    annotations: { list: [restarts(marked)] },
    templating: { list: variables },
    panels: laidOut(panels),
  };
}

/** Of one worker; `labels` is `__field.labels` in a graph and `__data.fields` in a table. Grafana fills them in. */
export const statusPage = (labels: '__field.labels' | '__data.fields'): Link => ({
  title: 'Status page of its heapwarden',
  url: `http://\${${labels}.instance}/`,
  targetBlank: true,
});

/** The other dashboard, with this app, or this worker of it, chosen. */
export function inDepth(of: 'app' | 'worker', labels: '__field.labels' | '__data.fields'): Link {
  const chosen = ['job', 'instance', 'app', ...(of === 'worker' ? ['worker'] : [])];
  const variables = chosen.map((name) => `var-${name}=\${${labels}.${name}}`).join('&');
  return {
    title: `This ${of} in depth`,
    url: `/d/${UIDS.app}?var-datasource=\${datasource}&${variables}&\${__url_time_range}`,
  };
}

export const linkTo = (title: string, uid: string): object => ({
  title,
  type: 'link',
  icon: 'dashboard',
  url: `/d/${uid}`,
  keepTime: true,
  includeVars: true,
  targetBlank: false,
});

export const UIDS = { overview: 'heapwarden-overview', app: 'heapwarden-app' } as const;
