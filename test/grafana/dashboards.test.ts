/** The dashboards by the rules of Grafana's dashboard-linter, by its model, and by our own. */
import t from 'tap';
import { DASHBOARDS, textOf } from '../../grafana/build/dashboards.js';
import { EXCEPTIONS, RULES } from './linter.js';
import { FILES, modelOf, targetsOf, textOfFile, type DashboardModel } from './model.js';

const PROMETHEUS = { type: 'prometheus', uid: '${datasource}' };
const CURRENT_TYPES = ['row', 'stat', 'timeseries', 'table'];
/** The keys of the model: kinds/dashboard/dashboard_kind.cue of github.com/grafana/grafana; those that are used. */
const DASHBOARD_KEYS = [
  'annotations', 'description', 'editable', 'graphTooltip', 'links', 'panels', 'refresh', 'schemaVersion', 'tags', 'templating',
  'time', 'timezone', 'title', 'uid', 'version',
];
const PANEL_KEYS = [
  'datasource', 'description', 'fieldConfig', 'gridPos', 'id', 'interval', 'options', 'targets', 'title', 'transformations', 'type',
];
const ROW_KEYS = ['collapsed', 'gridPos', 'id', 'panels', 'title', 'type'];
const strangers = (found: object, known: readonly string[]): string[] => Object.keys(found).filter((key) => !known.includes(key));

/** All addresses in it, of links of the dashboard, of a graph's lines and of a table's columns. */
function addressesOf(dashboard: DashboardModel): string[] {
  const inPanels = dashboard.panels.flatMap(({ fieldConfig }) => [
    ...(fieldConfig?.defaults.links ?? []),
    ...(fieldConfig?.overrides ?? []).flatMap(({ properties }) =>
      properties.flatMap(({ id, value }) => (id === 'links' ? (value as { url: string }[]) : [])),
    ),
  ]);
  return [...dashboard.links, ...inPanels].map(({ url }) => url);
}

t.test('every exception is one to a rule', async (t) => {
  t.strictSame(Object.keys(EXCEPTIONS).filter((rule) => !(rule in RULES)), []);
});

for (const file of FILES) {
  const dashboard = modelOf(file);

  t.test(`${file}: is what grafana/build makes`, async (t) => {
    t.equal(textOfFile(file), textOf(DASHBOARDS[file]!()), 'run `npm run grafana`');
  });

  t.test(`${file}: dashboard-linter`, async (t) => {
    for (const [name, rule] of Object.entries(RULES)) if (!(name in EXCEPTIONS)) t.strictSame(rule(dashboard), [], name);
  });

  t.test(`${file}: Grafana's model`, async (t) => {
    t.equal(dashboard.schemaVersion, 39);
    t.equal(dashboard.uid, file.replace('.json', ''), 'a stable uid');
    t.match(dashboard.uid, /^.{8,40}$/);
    t.strictSame(strangers(dashboard, DASHBOARD_KEYS), []);
    t.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length, 'ids are unique');
    for (const panel of dashboard.panels) {
      t.ok(CURRENT_TYPES.includes(panel.type), `${panel.title}: ${panel.type} is no deprecated type`);
      t.strictSame(strangers(panel, panel.type === 'row' ? ROW_KEYS : PANEL_KEYS), [], panel.title);
    }
  });

  t.test(`${file}: the queries`, async (t) => {
    for (const { panel, target } of targetsOf(dashboard)) {
      const name = `${panel.title} / ${target.refId}`;
      t.strictSame(target.datasource, PROMETHEUS, name);
      t.match(target.expr, /heapwarden_\w+\{/, `${name}: asks heapwarden`);
      const isGraph = panel.type === 'timeseries';
      t.strictSame([target.instant, target.range], [!isGraph, isGraph], `${name}: what is now is asked for once`);
      t.equal(target.format, panel.type === 'table' ? 'table' : 'time_series', name);
      if (isGraph) t.not(target.legendFormat, '__auto', `${name}: has a legend for people`);
      // time() would call a healthy loop frozen for up to a scrape interval.
      if (target.expr.includes('_heartbeat_')) t.match(target.expr, /^timestamp\((.+)\) - \1$/, name);
      const { min } = panel.fieldConfig!.defaults;
      if (isGraph) t.equal(min, target.expr.includes('_reclaimed_') ? undefined : 0, `${name}: what may be below 0 is shown`);
    }
    const bytes = dashboard.panels.filter(({ fieldConfig }) => fieldConfig?.defaults.unit === 'bytes').map(({ title }) => title);
    t.strictSame(bytes, [], 'decimal, as heapwarden.yml and the incidents have them: decbytes');
  });

  t.test(`${file}: the links`, async (t) => {
    const addresses = addressesOf(dashboard);
    const uids = FILES.map((one) => modelOf(one).uid);
    t.ok(addresses.includes(`/d/${uids.find((uid) => uid !== dashboard.uid)}`), 'to the other dashboard');
    t.ok(addresses.some((url) => /^http:\/\/\$\{__(field\.labels|data\.fields)\.instance\}\/$/.test(url)), 'to the status page');
    const app = modelOf('heapwarden-app.json').templating.list.map(({ name }) => name);
    for (const url of addresses.filter((one) => !one.startsWith('http'))) {
      const [, uid, query = ''] = /^\/d\/([\w-]+)(?:\?(.*))?$/.exec(url)!;
      t.ok(uids.includes(uid!), url);
      const chosen = [...query.matchAll(/var-(\w+)=/g)].map(([, name]) => name!);
      t.strictSame(chosen.filter((name) => !app.includes(name)), [], `${url}: variables that are there`);
    }
    // A link in a table fills in columns of its row, and those have to be there.
    for (const { title, type, transformations, fieldConfig } of dashboard.panels) {
      if (type !== 'table') continue;
      const columns = Object.keys(transformations!.find(({ id }) => id === 'organize')!.options.indexByName!);
      const named = [...JSON.stringify(fieldConfig).matchAll(/__data\.fields\.(\w+)/g)].map(([, name]) => name!);
      t.strictSame(named.filter((name) => !columns.includes(name)), [], title);
    }
  });

  t.test(`${file}: no panel lies on another`, async (t) => {
    for (const [i, { gridPos: a, title }] of dashboard.panels.entries()) {
      t.ok(a.x + a.w <= 24, `${title} fits the page`);
      const below = dashboard.panels.slice(i + 1).find(({ gridPos: b }) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h);
      t.equal(below, undefined, title);
    }
  });
}
