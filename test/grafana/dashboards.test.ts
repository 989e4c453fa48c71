/** The dashboards by the rules of https://github.com/grafana/dashboard-linter (docs/rules), and by our own. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { DASHBOARDS, textOf } from '../../grafana/build/dashboards.js';

interface Target {
  expr: string;
  refId: string;
  datasource: unknown;
}
interface LintedPanel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: unknown;
  fieldConfig?: { defaults: { unit?: string } };
  targets?: Target[];
  gridPos: { x: number; y: number; w: number; h: number };
}

const PROMETHEUS = { type: 'prometheus', uid: '${datasource}' };
/** Grafana's own: packages/grafana-data/src/valueFormats/categories.ts. */
const UNITS = ['bytes', 's', 'percentunit', 'short', 'none', 'Bps', 'ops'];
const CURRENT_TYPES = ['row', 'stat', 'timeseries', 'table'];

/** target-rate-interval-rule: a count over a day is over a day, whatever is zoomed to. */
const OVER_A_DAY = /\[24h\]/;

const COUNTER = /\b(\w+_total|\w+_seconds_(?:sum|bucket|count))\{/g;

for (const [file, make] of Object.entries(DASHBOARDS)) {
  const text = readFileSync(fileURLToPath(new URL(`../../grafana/${file}`, import.meta.url)), 'utf8');

  t.test(`${file}: is what grafana/build makes`, async (t) => {
    t.equal(text, textOf(make()), 'run `npm run grafana`');
  });

  t.test(`${file}: the frame`, async (t) => {
    const dashboard = JSON.parse(text) as { uid: string; editable: boolean; templating: { list: { name: string }[] }; links: unknown[] };
    t.equal(dashboard.uid, file.replace('.json', ''), 'a stable uid');
    t.equal(dashboard.editable, false, 'uneditable-dashboard-rule');
    t.match(dashboard.templating.list[0], { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }, 'template-datasource-rule');
    for (const [name, label] of [['job', 'Job'], ['instance', 'Instance']]) {
      const variable = dashboard.templating.list.find((one) => one.name === name);
      t.match(variable, { label, type: 'query', datasource: PROMETHEUS, multi: true, allValue: '.+', refresh: 2 }, `template-${name}-rule`);
    }
    t.ok(dashboard.links.length > 0);
  });

  t.test(`${file}: the panels`, async (t) => {
    const { panels } = JSON.parse(text) as { panels: LintedPanel[] };
    t.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'ids are unique');
    for (const panel of panels) {
      t.ok(CURRENT_TYPES.includes(panel.type), `${panel.title}: ${panel.type} is no deprecated type`);
      t.ok(panel.title, 'panel-title-description-rule');
      if (panel.type === 'row') continue;
      t.ok(panel.description, `${panel.title}: panel-title-description-rule`);
      t.strictSame(panel.datasource, PROMETHEUS, `${panel.title}: panel-datasource-rule`);
      t.ok(UNITS.includes(panel.fieldConfig!.defaults.unit!), `${panel.title}: panel-units-rule`);
      t.ok(panel.targets!.length > 0, `${panel.title}: panel-no-targets-rule`);
      for (const { expr, datasource } of panel.targets!) {
        t.strictSame(datasource, PROMETHEUS);
        for (const [selector] of expr.matchAll(/\w+\{[^}]*\}/g)) {
          t.match(selector, /job=~"\$job"/, `${panel.title}: target-job-rule`);
          t.match(selector, /instance=~"\$instance"/, `${panel.title}: target-instance-rule`);
        }
        t.ok(/heapwarden_\w+\{/.test(expr), `${panel.title}: asks heapwarden`);
        for (const [, range] of expr.matchAll(/\[([^\]]+)\]/g)) {
          t.ok(range === '$__rate_interval' || OVER_A_DAY.test(`[${range}]`), `${panel.title}: target-rate-interval-rule`);
        }
        for (const { index } of expr.matchAll(COUNTER)) {
          t.match(expr.slice(0, index), /\b(rate|irate|increase)\([^()]*$/, `${panel.title}: target-counter-agg-rule`);
        }
      }
    }
  });

  t.test(`${file}: no panel lies on another`, async (t) => {
    const { panels } = JSON.parse(text) as { panels: LintedPanel[] };
    for (const [i, { gridPos: a, title }] of panels.entries()) {
      t.ok(a.x + a.w <= 24, `${title} fits the page`);
      const below = panels.slice(i + 1).find(({ gridPos: b }) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h);
      t.equal(below, undefined, title);
    }
  });
}
