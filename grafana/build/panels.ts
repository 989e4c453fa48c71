/** Panels of a Grafana dashboard, as its JSON model has them: https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/ */

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** Units by Grafana's ids. */
export type Unit = 'bytes' | 's' | 'percentunit' | 'short' | 'none' | 'Bps' | 'dateTimeAsIso' | 'bool_yes_no' | 'ops';

export interface Query {
  expr: string;
  /** Of the series; a template such as `{{app}}/{{worker}}`. */
  legend?: string;
  /** A table of now, instead of a graph over time. */
  instant?: boolean;
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
}

export interface Panel extends Record<string, unknown> {
  title: string;
  type: string;
}

/** Without a place: `laidOut` gives it one. */
export type Unplaced = Panel & { size: Size };

function base(type: string, { title, description, unit, queries, size }: Base, defaults: object = {}, overrides: object[] = []): Unplaced {
  return {
    type,
    title,
    description,
    datasource: DATASOURCE,
    size,
    fieldConfig: { defaults: { unit, ...defaults }, overrides },
    targets: queries.map(({ expr, legend, instant = false }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      editorMode: 'code',
      expr,
      instant,
      range: !instant,
      legendFormat: legend ?? '__auto',
      ...(instant ? { format: 'table' } : {}),
    })),
  };
}

export interface GraphOptions {
  stacked?: boolean;
  min?: number;
  max?: number;
  /** Names of series that are limits: dashed lines, not filled, not stacked. */
  limits?: Record<string, string>;
}

export function graph(panel: Base, { stacked = false, min = 0, max, limits = {} }: GraphOptions = {}): Unplaced {
  const custom = {
    drawStyle: 'line',
    lineWidth: 1,
    fillOpacity: stacked ? 40 : 8,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
  };
  const overrides = Object.entries(limits).map(([name, color]) => ({
    matcher: { id: 'byName', options: name },
    properties: [
      { id: 'custom.stacking', value: { mode: 'none', group: 'limits' } },
      { id: 'custom.fillOpacity', value: 0 },
      { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 6] } },
      { id: 'color', value: { mode: 'fixed', fixedColor: color } },
    ],
  }));
  return {
    ...base('timeseries', panel, { min, ...(max === undefined ? {} : { max }), custom }, overrides),
    options: {
      legend: { displayMode: 'table', placement: 'bottom', showLegend: true, calcs: ['lastNotNull', 'max'] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  };
}

export interface Threshold {
  color: string;
  value: number | null;
}

export function stat(panel: Base, steps: readonly Threshold[] = [{ color: 'text', value: null }]): Unplaced {
  return {
    ...base('stat', panel, { thresholds: { mode: 'absolute', steps }, noValue: '–' }),
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      colorMode: 'value',
      graphMode: 'none',
      textMode: 'auto',
    },
  };
}

export interface TableOptions {
  /** Columns that say nothing to a person. */
  hidden: readonly string[];
  /** By their names in the answer. */
  titles: Record<string, string>;
  /** Of single columns, by title. */
  columns?: Record<string, object>;
  sortBy: { title: string; desc: boolean };
}

export function table(panel: Base, { hidden, titles, columns = {}, sortBy }: TableOptions): Unplaced {
  const overrides = Object.entries(columns).map(([title, properties]) => ({
    matcher: { id: 'byName', options: title },
    properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
  }));
  const join = panel.queries.length > 1 ? [{ id: 'merge', options: {} }] : [];
  const organize = { excludeByName: Object.fromEntries(['Time', ...hidden].map((name) => [name, true])), renameByName: titles };
  return {
    ...base('table', panel, { noValue: '–' }, overrides),
    transformations: [...join, { id: 'organize', options: organize }],
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
