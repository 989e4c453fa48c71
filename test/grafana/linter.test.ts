/** Each rule has something to say of a dashboard that breaks it: none of them passes everything. */
import t from 'tap';
import { RULES } from './linter.js';
import { modelOf, type DashboardModel } from './model.js';

const PANEL = 0;
const variable = (dashboard: DashboardModel, name: string) => dashboard.templating.list.find((one) => one.name === name)!;
const ask = (expr: string) => (dashboard: DashboardModel) => void (dashboard.panels[PANEL]!.targets![0]!.expr = expr);
const OF = 'job=~"$job", instance=~"$instance"';

const BREAKS: Readonly<Record<string, (dashboard: DashboardModel) => void>> = {
  'template-datasource-rule': (dashboard) => void (variable(dashboard, 'datasource').label = 'Source'),
  'template-job-rule': (dashboard) => void (variable(dashboard, 'job').multi = false),
  'template-instance-rule': (dashboard) => void (variable(dashboard, 'instance').allValue = '.*'),
  'template-label-promql-rule': (dashboard) => void (variable(dashboard, 'job').query = 'label_value(up, job)'),
  'template-on-time-change-reload-rule': (dashboard) => void (variable(dashboard, 'app').refresh = 1),
  'panel-datasource-rule': (dashboard) => void (dashboard.panels[PANEL]!.datasource = { type: 'prometheus', uid: 'mine' }),
  'panel-title-description-rule': (dashboard) => void (dashboard.panels[PANEL]!.description = ''),
  'panel-units-rule': (dashboard) => void (dashboard.panels[PANEL]!.fieldConfig!.defaults.unit = 'furlongs'),
  'panel-no-targets-rule': (dashboard) => void (dashboard.panels[PANEL]!.targets = []),
  'target-rate-interval-rule': ask(`rate(a_total{${OF}}[5m])`),
  'target-job-rule': ask('sum(heapwarden_agents_connected)'),
  'target-instance-rule': ask('a{job=~"$job", instance="$instance"}'),
  'target-counter-agg-rule': ask(`sum(a_total{${OF}})`),
  'target-histogram-rule': ask(`rate(a_bucket{${OF}}[$__rate_interval])`),
  'uneditable-dashboard': (dashboard) => void (dashboard.editable = true),
};

t.strictSame(Object.keys(BREAKS), Object.keys(RULES), 'every rule is tried');

for (const [name, rule] of Object.entries(RULES)) {
  t.test(name, async (t) => {
    const dashboard = modelOf('heapwarden-overview.json');
    t.strictSame(rule(dashboard), []);
    BREAKS[name]!(dashboard);
    t.equal(rule(dashboard).length, 1, rule(dashboard).join());
  });
}
