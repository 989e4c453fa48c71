/** Every query of the dashboards, as Grafana sends it, against a real Prometheus that has scraped a real warden. */
import t, { type Test } from 'tap';
import { needParts } from '../parts/index.js';
import { interpolated, type Chosen, type Intervals } from './interpolate.js';
import { FILES, modelOf, queryOf, targetsOf, type PanelModel, type Target, type VariableModel } from './model.js';
import { SCRAPE_INTERVAL, startWorld, type World } from './world.js';

/** Seconds that are looked at, and between two points where the panel does not say. */
const RANGE = 300;
const STEP = 5;

interface Series {
  metric: Record<string, string>;
  /** Unix time in seconds, and the value as text. */
  values: [number, string][];
}

/** What Prometheus answers; throws an Error with its words where it refuses. */
async function ask({ prometheus, at }: World, { expr, instant }: Pick<Target, 'expr' | 'instant'>, step: number): Promise<Series[]> {
  const when = instant ? { time: at } : { start: at - step * Math.ceil(RANGE / step), end: at, step };
  const parameters = Object.entries({ query: expr, ...when }).map(([key, value]): [string, string] => [key, String(value)]);
  const path = `/api/v1/${instant ? 'query' : 'query_range'}?${new URLSearchParams(parameters).toString()}`;
  const { data } = (await prometheus.get(path)) as { data: { result: (Series & { value?: [number, string] })[] } };
  return data.result.map(({ metric, values, value }) => ({ metric, values: value ? [value] : values }));
}

/** A number, that is: a quantile of nothing is NaN, and draws nothing. */
const tells = ({ values }: Series): boolean => values.some(([, value]) => Number.isFinite(Number(value)));
const stepOf = ({ interval }: PanelModel): number => (interval === undefined ? STEP : 60 * Number(/^(\d+)m$/.exec(interval)![1]));
const intervals = (step: number): Intervals => ({ step, scrape: SCRAPE_INTERVAL });

/** As the data source does since Prometheus 2.24: https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/ */
async function valuesOf({ prometheus, at }: World, variable: VariableModel, chosen: Chosen): Promise<string[]> {
  const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(queryOf(variable))!;
  const match = interpolated(selector!, chosen, intervals(STEP));
  const parameters = new URLSearchParams({ 'match[]': match, start: String(at - RANGE), end: String(at) });
  const answer = await prometheus.get(`/api/v1/label/${label}/values?${parameters.toString()}`);
  return (answer as { data: string[] }).data;
}

t.test('every query has an answer', { timeout: 400_000 }, async (t) => {
  if (!needParts(t, 'prometheus')) return;
  const world = await startWorld(t);
  let asked = 0;

  for (const file of FILES) {
    const dashboard = modelOf(file);
    const variables = dashboard.templating.list.filter(({ type }) => type === 'query');

    const all: Chosen = Object.fromEntries(variables.map(({ name, allValue }) => [name, { all: allValue! }]));
    const oneByOne: Record<string, string[]> = {};
    for (const variable of variables) {
      // With all of the others chosen, and with each one by name: they depend on each other.
      const values = await valuesOf(world, variable, all);
      asked += 2;
      t.ok(values.length > 0, `${file}: $${variable.name} has values: ${values.join(', ')}`);
      t.strictSame(await valuesOf(world, variable, oneByOne), values, 'the same with the others by name');
      oneByOne[variable.name] = values;
    }
    t.strictSame(oneByOne['job'], ['heapwarden'], 'no job of others is offered');
    t.strictSame(oneByOne['instance'], [world.instance]);
    t.strictSame(oneByOne['app'], ['big', 'frail', 'pair', 'shop']);

    const choices: Record<string, Chosen> = { 'all chosen': all, 'each chosen by name': oneByOne };
    for (const [how, chosen] of Object.entries(choices)) {
      for (const { panel, target } of targetsOf(dashboard)) {
        const name = `${file} / ${panel.title} / ${target.refId}`;
        const step = stepOf(panel);
        const expr = interpolated(target.expr, chosen, intervals(step));
        asked++;
        const series = await ask(world, { ...target, expr }, step).catch((error: Error) => error);
        if (series instanceof Error) {
          t.fail(`${name}, ${how}: ${series.message}`);
          continue;
        }
        t.ok(series.some(tells), `${name}, ${how}: has an answer`, { expr });
        for (const [, label] of target.legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
          t.ok(series.every(({ metric }) => metric[label!]), `${name}: each line has the ${label} that its legend names`);
        }
      }
      for (const { name, expr, textFormat, useValueForTime } of dashboard.annotations.list) {
        asked++;
        const series = await ask(world, { expr: interpolated(expr, chosen, intervals(STEP)), instant: false }, STEP);
        t.ok(series.some(tells), `${file} / ${name}, ${how}: has an answer`);
        const times = series.flatMap(({ values }) => values.map(([, value]) => Number(value)));
        const within = (time: number) => time > (world.at - RANGE) * 1000 && time < world.at * 1000;
        t.ok(useValueForTime && times.every(within), `${file} / ${name}: in milliseconds, within the time that is shown`);
        for (const [, label] of textFormat.matchAll(/\{\{(\w+)\}\}/g)) t.ok(series.every(({ metric }) => metric[label!]), `${name}: ${label}`);
      }
    }

    for (const panel of dashboard.panels.filter(({ type }) => type === 'table')) {
      await isOneRowEach(t, world, panel, all);
    }
  }
  t.comment(`${asked} queries`);

  const overview = modelOf('heapwarden-overview.json');
  const everything = Object.fromEntries(['job', 'instance', 'app'].map((name) => [name, { all: '.+' }]));
  const answerOf = async (title: string): Promise<Series[]> => {
    const { panel, target } = targetsOf(overview).find((one) => one.panel.title === title)!;
    return ask(world, { ...target, expr: interpolated(target.expr, everything, intervals(stepOf(panel))) }, stepOf(panel));
  };
  t.match(await answerOf('heapwarden down'), [{ values: [[world.at, '0']] }], 'a target of another job that is down is no warden');
  const wardens = (await answerOf('Memory of heapwarden')).map(({ metric }) => metric['instance']);
  t.strictSame(wardens, [world.instance], 'nor is the Prometheus, nor the relay');
  const listed = (await answerOf('Wardens')).map(({ metric }) => metric['instance']);
  t.strictSame(listed, [world.instance], 'which no table lists');
  const [stopped] = await answerOf('Restarts blocked');
  t.ok(Number(stopped!.values[0]![1]) >= 2, 'both workers that are paused, each once');
});

/**
 * `merge` makes one row of what agrees in every label that two answers both have (mergeTransformer in grafana-data), so
 * a worker has one row only where no answer has a label that differs, the metric's name among them.
 */
async function isOneRowEach(t: Test, world: World, panel: PanelModel, chosen: Chosen): Promise<void> {
  const shown = Object.keys(panel.transformations!.find(({ id }) => id === 'organize')!.options.indexByName!);
  const rows: Record<string, string>[] = [];
  for (const target of panel.targets!) {
    const series = await ask(world, { ...target, expr: interpolated(target.expr, chosen, intervals(STEP)) }, STEP);
    for (const { metric } of series) {
      t.strictSame(Object.keys(metric).filter((label) => !shown.includes(label)), [], `${panel.title} / ${target.refId}: all labels are shown`);
      const row = rows.find((one) => Object.entries(metric).every(([label, value]) => (one[label] ?? value) === value));
      if (row) Object.assign(row, metric);
      else rows.push({ ...metric });
    }
  }
  const keys = rows.map(({ instance, app, worker }) => `${instance} ${app}/${worker}`);
  t.equal(new Set(keys).size, keys.length, `${panel.title}: one row each: ${keys.join(', ')}`);
}
