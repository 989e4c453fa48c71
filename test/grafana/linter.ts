/**
 * The rules of https://github.com/grafana/dashboard-linter (docs/index.md, lint/rules.go), by their names, each to what it
 * has to say of a dashboard. Those for Loki (target-logql-*), for schema v2 (element-reference-rule, v2-*) and those that
 * need settings (target-required-matchers-rule, template-required-variables-rule) have nothing to look at here; whether a
 * query is PromQL (target-promql-rule, template-label-promql-rule) a real Prometheus says, in queries.test.ts.
 */
import { queryOf, targetsOf, type DashboardModel } from './model.js';

type Rule = (dashboard: DashboardModel) => string[];

/** Grafana's own names: packages/grafana-data/src/valueFormats/categories.ts; those that the dashboards use. */
const UNITS = ['decbytes', 's', 'percentunit', 'short', 'none', 'Bps', 'ops', 'dateTimeFromNow'];
const isTemplated = (datasource: unknown): boolean => (datasource as { uid?: string } | undefined)?.uid === '${datasource}';

/** checkTemplate in lint/rule_template_job.go. */
function template(name: string, label: string): Rule {
  return ({ templating }) => {
    const found = templating.list.find((variable) => variable.name === name);
    if (!found) return [`there is no ${name}`];
    return [
      ...(isTemplated(found.datasource) ? [] : [`${name} does not use the data source that is chosen`]),
      ...(found.type === 'query' ? [] : [`${name} is no query`]),
      ...(found.label === label ? [] : [`${name} is not labelled ${label}`]),
      ...(found.multi ? [] : [`${name} has no multiple choice`]),
      ...(found.allValue === '.+' ? [] : [`${name} has not .+ for all`]),
    ];
  };
}

const panels = (rule: (panel: DashboardModel['panels'][number]) => boolean): Rule => (dashboard) =>
  dashboard.panels.filter((panel) => panel.type !== 'row' && !rule(panel)).map(({ title, id }) => title || `panel ${id}`);

const queries = (rule: (expr: string) => boolean): Rule => (dashboard) =>
  targetsOf(dashboard).flatMap(({ panel, target }) => (rule(target.expr) ? [] : [`${panel.title}: ${target.expr}`]));

/** Every selector, with the metric's name, what is in its braces, and all that stands before it. */
const selectorsOf = (expr: string): { name: string; matchers: string; before: string }[] =>
  [...expr.matchAll(/([a-zA-Z_:][\w:]*)\{([^}]*)\}/g)].map((match) => ({
    name: match[1]!,
    matchers: match[2]!,
    before: expr.slice(0, match.index),
  }));
/** A metric without braces is one without matchers. */
const bareMetrics = (expr: string): string[] => [...expr.matchAll(/\b(?:heapwarden|process|nodejs)_\w+\b(?!\{)/g)].map(([name]) => name);
const matching = (name: string): Rule =>
  queries((expr) => bareMetrics(expr).length === 0 && selectorsOf(expr).every(({ matchers }) => matchers.split(', ').includes(`${name}=~"$${name}"`)));

export const RULES: Readonly<Record<string, Rule>> = {
  'template-datasource-rule': ({ templating }) => {
    const sources = templating.list.filter(({ type }) => type === 'datasource');
    const isRight = sources.length === 1 && sources[0]!.name === 'datasource' && sources[0]!.label === 'Data source';
    return isRight && queryOf(sources[0]!) === 'prometheus' ? [] : ['no data source can be chosen'];
  },
  'template-job-rule': template('job', 'Job'),
  'template-instance-rule': template('instance', 'Instance'),
  'template-label-promql-rule': ({ templating }) =>
    templating.list.filter((one) => one.type === 'query' && !/^label_values\(.+\)$/.test(queryOf(one))).map(({ name }) => name),
  'template-on-time-change-reload-rule': ({ templating }) =>
    templating.list.filter(({ type, refresh }) => type === 'query' && refresh !== 2).map(({ name }) => name),
  'panel-datasource-rule': panels(({ datasource }) => isTemplated(datasource)),
  'panel-title-description-rule': panels(({ title, description }) => Boolean(title && description)),
  'panel-units-rule': panels(({ fieldConfig }) => UNITS.includes(fieldConfig?.defaults.unit ?? '')),
  'panel-no-targets-rule': panels(({ targets }) => (targets ?? []).length > 0),
  // A rate over a fixed time; increase() and others may have one, as for what happened in a day.
  'target-rate-interval-rule': queries((expr) => [...expr.matchAll(/\bi?rate\([^[]*\[([^\]]+)\]/g)].every(([, range]) => range === '$__rate_interval')),
  'target-job-rule': matching('job'),
  'target-instance-rule': matching('instance'),
  'target-counter-agg-rule': queries((expr) =>
    selectorsOf(expr).every(({ name, before }) => !/_total$|_seconds_(sum|count|bucket)$/.test(name) || /\b(i?rate|increase)\($/.test(before)),
  ),
  'target-histogram-rule': queries((expr) =>
    selectorsOf(expr).every(({ name, before }) => !name.endsWith('_bucket') || before.includes('histogram_quantile(')),
  ),
  'uneditable-dashboard': ({ editable }) => (editable ? ['it is editable'] : []),
};

/** What a rule says and we do otherwise, by rule, with the reason. There is nothing of the kind. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {};
