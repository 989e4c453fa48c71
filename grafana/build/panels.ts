/** Panels of a Grafana dashboard, as its JSON model has them: https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/ */

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** Units by Grafana's ids. */
export type Unit = 'decbytes' | 's' | 'percentunit' | 'short' | 'none' | 'Bps' | 'ops' | 'dateTimeFromNow';

export interface Query {
  expr: string;
  /** Of the series; a template such as `{{app}}/{{worker}}`. */
  legend?: string;
}

export interface Size {
  w: number;
  h: number;
}

interface Base {
  title: string;
  description: string;
  unit: Unit;
  queries: readonly Query[];
  size: Size;
  /** What is shown where there is nothing to show; without it, a dash, or Grafana's `No data` in a graph. */
  empty?: string;
}

export interface Link {
  title: string;
  url: string;
  targetBlank?: boolean;
}

export interface Panel extends Record<string, unknown> {
  title: string;
  type: string;
}

/** Without a place: `laidOut` gives it one. */
export type Unplaced = Panel & { size: Size };

interface Answer {
  instant: boolean;
  format: 'time_series' | 'table';
}

const OVER_TIME: Answer = { instant: false, format: 'time_series' };
/** What is now takes one evaluation; over six hours, a count of a day would take hundreds. */
const NOW: Answer = { instant: true, format: 'time_series' };
const TABLE: Answer = { instant: true, format: 'table' };

function base(type: string, panel: Base, { instant, format }: Answer, defaults: object = {}, overrides: object[] = []): Unplaced {
  const { title, description, unit, queries, size, empty } = panel;
  return {
    type,
    title,
    description,
    datasource: DATASOURCE,
    size,
    fieldConfig: { defaults: { unit, ...(empty === undefined ? {} : { noValue: empty }), ...defaults }, overrides },
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      editorMode: 'code',
      expr,
      instant,
      range: !instant,
      format,
      legendFormat: legend ?? '__auto',
    })),
  };
}

export interface GraphOptions {
  stacked?: boolean;
  /** A count for each stretch of time, in place of a line. */
  bars?: boolean;
  /** 0 unless said; null where values may be below it. */
  min?: number | null;
  max?: number;
  /** Ends of the names of series that are limits, with their colours: dashed lines, not filled, not stacked. */
  limits?: Readonly<Record<string, string>>;
  /** Lines at fixed values, by colour. */
  lines?: Readonly<Record<string, number>>;
  /** Of each series. */
  links?: readonly Link[];
}

/** Wider than four scrapes of half a minute: a bar then counts what happened since the bar before, and little twice. */
const BAR_INTERVAL = '2m';

export function graph(panel: Base, options: GraphOptions = {}): Unplaced {
  const { stacked = false, bars = false, min = 0, max, limits = {}, lines, links } = options;
  const isStacked = stacked || bars;
  const custom = {
    drawStyle: bars ? 'bars' : 'line',
    lineWidth: 1,
    fillOpacity: bars ? 80 : stacked ? 40 : 8,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: isStacked ? 'normal' : 'none', group: 'A' },
    ...(lines ? { thresholdsStyle: { mode: 'dashed' } } : {}),
  };
  const steps = Object.entries(lines ?? {}).map(([color, value]) => ({ color, value }));
  const defaults = {
    ...(min === null ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(bars ? { decimals: 0 } : {}),
    ...(lines ? { thresholds: { mode: 'absolute', steps: [{ color: 'transparent', value: null }, ...steps] } } : {}),
    ...(links ? { links } : {}),
    custom,
  };
  const overrides = Object.entries(limits).map(([end, color]) => ({
    matcher: { id: 'byRegexp', options: `/${end}$/` },
    properties: [
      { id: 'custom.stacking', value: { mode: 'none', group: 'limits' } },
      { id: 'custom.fillOpacity', value: 0 },
      { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
      { id: 'color', value: { mode: 'fixed', fixedColor: color } },
    ],
  }));
  // The greatest first: of 200 workers, the one that matters is on top.
  const legend = { displayMode: 'table', calcs: ['lastNotNull', 'max'], sortBy: 'Last *', sortDesc: true };
  return {
    ...base('timeseries', panel, OVER_TIME, defaults, overrides),
    ...(bars ? { interval: BAR_INTERVAL } : {}),
    options: {
      legend: { placement: 'bottom', showLegend: true, ...(bars ? { displayMode: 'list', calcs: [] } : legend) },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
}

export interface Threshold {
  color: string;
  value: number | null;
}

export function stat(panel: Base, steps: readonly Threshold[] = [{ color: 'text', value: null }]): Unplaced {
  // What increase() finds is not whole; how many times something happened is.
  const whole = panel.unit === 'short' ? { decimals: 0 } : {};
  return {
    ...base('stat', { empty: '–', ...panel }, NOW, { ...whole, thresholds: { mode: 'absolute', steps } }),
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      colorMode: 'value',
      graphMode: 'none',
      textMode: 'auto',
    },
  };
}

/** One that a query answers; its properties by their ids, such as `unit`. */
export interface Column {
  title: string;
  expr: string;
  /** null: its value says nothing, and it is there for the labels. */
  properties: Readonly<Record<string, unknown>> | null;
}

export interface TablePanel extends Omit<Base, 'unit' | 'queries'> {
  /** All that the answers have, from left to right, with the links of each. */
  labels: Readonly<Record<string, readonly Link[]>>;
  columns: readonly Column[];
  sortBy: { title: string; desc: boolean };
}

/**
 * A row for each set of labels. `merge` joins what has the same labels, and the name of a metric would be one of them:
 * the queries have to drop it.
 */
export function table({ labels, columns, sortBy, ...panel }: TablePanel): Unplaced {
  const named = columns.flatMap(({ title, properties }) => (properties ? [[title, properties] as const] : []));
  const linked = Object.entries(labels).flatMap(([label, links]) => (links.length > 0 ? [[label, { links }] as const] : []));
  const overrides = [...linked, ...named].map(([title, properties]) => ({
    matcher: { id: 'byName', options: title },
    properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
  }));
  const answers = columns.map((_, i) => (columns.length > 1 ? `Value #${String.fromCharCode(65 + i)}` : 'Value'));
  const order = [...Object.keys(labels), ...answers];
  const unsaid = answers.filter((_, i) => columns[i]!.properties === null);
  const organize = {
    excludeByName: Object.fromEntries(['Time', ...unsaid].map((name) => [name, true])),
    indexByName: Object.fromEntries(order.map((name, i) => [name, i])),
    renameByName: Object.fromEntries(answers.map((name, i) => [name, columns[i]!.title])),
  };
  return {
    ...base('table', { empty: '–', ...panel, unit: 'none', queries: columns }, TABLE, {}, overrides),
    transformations: [...(columns.length > 1 ? [{ id: 'merge', options: {} }] : []), { id: 'organize', options: organize }],
    options: { showHeader: true, cellHeight: 'sm', sortBy: [{ displayName: sortBy.title, desc: sortBy.desc }] },
  };
}

export const row = (title: string): Unplaced => ({ type: 'row', title, collapsed: false, panels: [], size: { w: 24, h: 1 } });

/** From left to right and line by line, as a page is read; ids count from 1. */
export function laidOut(panels: readonly Unplaced[]): Panel[] {
  let [x, y, height] = [0, 0, 0];
  return panels.map(({ size, ...panel }, i) => {
    if (x + size.w > 24) [x, y, height] = [0, y + height, 0];
    const gridPos = { x, y, ...size };
    x += size.w;
    height = Math.max(height, size.h);
    return { id: i + 1, gridPos, ...panel } as Panel;
  });
}
