/** The frame that both dashboards share. */
import { laidOut, type Panel, type Unplaced } from './panels.js';

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
  job: variable('job', 'Job', 'label_values(heapwarden_build_info, job)'),
  instance: variable('instance', 'Instance', 'label_values(heapwarden_build_info{job=~"$job"}, instance)'),
  app: variable('app', 'App', 'label_values(heapwarden_process_up{job=~"$job", instance=~"$instance"}, app)'),
  worker: variable('worker', 'Worker', 'label_values(heapwarden_process_up{job=~"$job", instance=~"$instance", app=~"$app"}, worker)'),
} as const;

/** A line at each restart, from the metric of its time: no other source is needed. */
const RESTARTS = {
  name: 'Restarts',
  datasource: DATASOURCE,
  enable: true,
  iconColor: 'orange',
  expr: `heapwarden_restart_last_timestamp_seconds{${OF_APP}} * 1000`,
  useValueForTime: true,
  titleFormat: 'restart',
  textFormat: '{{app}}/{{worker}}',
  tagKeys: 'app,worker',
};

export interface Frame {
  uid: string;
  title: string;
  description: string;
  links: object[];
  variables: Variable[];
  panels: Unplaced[];
}

export function dashboard({ uid, title, description, links, variables, panels }: Frame): Dashboard {
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
    annotations: { list: [RESTARTS] },
    templating: { list: variables },
    panels: laidOut(panels),
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
