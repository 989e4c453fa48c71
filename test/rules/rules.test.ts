/** The shipped rules, runbooks and configs: whole, tested at their lines, and accepted by the tools that read them. */
import { execFile } from 'node:child_process';
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import { RESULTS } from '../../src/act/incident.js';
import { REFUSALS } from '../../src/decide/decision.js';
import { needParts } from '../parts/index.js';

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}
interface RuleFile {
  groups: { name: string; rules: Rule[] }[];
}
interface RuleTests {
  tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
}
interface AlertmanagerConfig {
  inhibit_rules: { source_matchers: string[]; target_matchers: string[]; equal: string[] }[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const ruleFolder = join(root, 'rules');
const ruleNames = ['heapwarden.rules.yml', 'heapwarden-relay.rules.yml'];
const prometheusConfig = join(root, 'deploy/prometheus.yml');
const alertmanagerConfigs = ['alertmanager.yml', 'alertmanager-relay.yml'].map((name) => join(root, 'deploy', name));
const [alertmanagerConfig = ''] = alertmanagerConfigs;
const testFolder = join(root, 'test/rules');
const testFiles = readdirSync(testFolder).filter((name) => name.endsWith('.yml'));

const read = (path: string) => readFileSync(path, 'utf8');
const ruleFiles = ruleNames.map((name) => parse(read(join(ruleFolder, name))) as RuleFile);
const rules = ruleFiles.flatMap(({ groups }) => groups).flatMap((group) => group.rules);
const names = rules.map((rule) => rule.alert);
const restartRules = rules.filter((rule) => rule.labels['action'] !== undefined);

function run(program: string, args: string[]): Promise<{ code: number | string; output: string }> {
  return new Promise((resolve) => {
    execFile(program, args, (error, stdout, stderr) =>
      resolve({ code: error ? (error.code ?? error.signal ?? NaN) : 0, output: stdout + stderr }));
  });
}

t.test('every alert has its labels and annotations', async (t) => {
  t.same(names, [...new Set(names)], 'no name twice');
  for (const { alert, labels, annotations } of rules) {
    t.match(alert, /^Heapwarden([A-Z][a-z]+)+$/, `${alert}: a Heapwarden… name in CamelCase`);
    t.match(labels['severity'], /^(info|warning|critical)$/, `${alert}: severity`);
    t.same(Object.keys(annotations).toSorted(), ['description', 'runbook_url', 'summary'], `${alert}: annotations`);
    t.match(annotations['summary'], '{{ $labels.instance }}', `${alert}: the summary names the instance`);
    t.equal(
      annotations['runbook_url'],
      `https://github.com/heapwarden/heapwarden/blob/main/rules/runbooks.md#${alert.toLowerCase()}`,
    );
  }
});

t.test('one alert asks for a restart for each resource, and says so in the words of the design', async (t) => {
  t.same(
    Object.fromEntries(restartRules.map((rule) => [rule.alert, rule.labels])),
    {
      HeapwardenMemoryLimit: { severity: 'warning', action: 'restart', reason: 'rss' },
      HeapwardenHeapLimit: { severity: 'warning', action: 'restart', reason: 'heap' },
      HeapwardenFrozenLimit: { severity: 'warning', action: 'restart', reason: 'freeze' },
      HeapwardenUptimeLimit: { severity: 'info', action: 'restart', reason: 'uptime' },
    },
  );
});

t.test('every alert fires and does not fire in test/rules', async (t) => {
  const checks = testFiles
    .map((file) => parse(read(join(testFolder, file))) as RuleTests)
    .flatMap((file) => file.tests)
    .flatMap((test) => test.alert_rule_test);
  for (const name of names) {
    const ofThis = checks.filter((check) => check.alertname === name);
    t.ok(ofThis.some((check) => check.exp_alerts.length > 0), `${name} fires`);
    t.ok(ofThis.some((check) => check.exp_alerts.length === 0), `${name} does not fire`);
  }
  t.same(checks.filter((check) => !names.includes(check.alertname)), [], 'no test of an alert that is not there');
});

t.test('every alert, every refusal and every result has a runbook entry', async (t) => {
  const runbooks = read(join(root, 'rules/runbooks.md'));
  const headings = [...runbooks.matchAll(/^### (Heapwarden\w+)$/gm)].map((match) => match[1]!);
  t.same(headings.toSorted(), names.toSorted());
  const rowsUnder = (heading: string) => {
    const section = runbooks.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
    return [...section.matchAll(/^\| `(\w+)`/gm)].map((match) => match[1]!);
  };
  t.same(rowsUnder('Why a restart was refused'), REFUSALS);
  t.same(rowsUnder('What became of a restart'), RESULTS);
});

t.test('the tools accept what is shipped', async (t) => {
  const parts = needParts(t, 'promtool', 'amtool');
  if (!parts) return;
  const clean = async (program: string, ...args: string[]) => {
    const { code, output } = await run(program, args);
    t.equal(code, 0, [program, ...args].join(' '), { output });
  };
  for (const name of ruleNames) await clean(parts.promtool, 'check', 'rules', '--lint=all', '--lint-fatal', join(ruleFolder, name));
  await clean(parts.promtool, 'check', 'config', '--lint=all', '--lint-fatal', prometheusConfig);
  for (const config of alertmanagerConfigs) await clean(parts.amtool, 'check-config', config);
  await clean(parts.promtool, 'test', 'rules', ...testFiles.map((file) => join(testFolder, file)));
});

t.test('with a relay and the metrics of apps: what deploy/prometheus.yml has commented out for them', async (t) => {
  const parts = needParts(t, 'promtool');
  if (!parts) return;
  const text = read(prometheusConfig).replaceAll(/^ {2}# (?=- | {2})/gm, '  ');
  const { rule_files: loaded, scrape_configs: jobs } = parse(text) as { rule_files: string[]; scrape_configs: object[] };
  t.strictSame(loaded, ruleNames.map((name) => `../rules/${name}`));
  const { listen } = parse(read(join(root, 'deploy/relay.yml'))) as { listen: string };
  const apps = { job_name: 'apps', http_sd_configs: [{ url: 'http://127.0.0.1:9973/api/v1/http_sd' }] };
  t.strictSame(jobs.slice(1), [{ job_name: 'heapwarden-relay', static_configs: [{ targets: [listen] }] }, apps]);
  const dir = t.testdir({ deploy: { 'prometheus.yml': text }, rules: {} });
  for (const name of ruleNames) copyFileSync(join(ruleFolder, name), join(dir, 'rules', name));
  const { code, output } = await run(parts.promtool, ['check', 'config', '--lint=all', '--lint-fatal', join(dir, 'deploy/prometheus.yml')]);
  t.equal(code, 0, output);
});

/** The alerts whose tests promtool finds broken once every rule has been changed. */
async function brokenBy(t: Test, promtool: string, change: (rule: Rule) => Rule): Promise<string[]> {
  const dir = t.testdir({ rules: {}, test: { rules: {} } });
  for (const [i, name] of ruleNames.entries()) {
    const groups = ruleFiles[i]!.groups.map((group) => ({ ...group, rules: group.rules.map(change) }));
    writeFileSync(join(dir, 'rules', name), stringify({ groups }));
  }
  const copies = testFiles.map((file) => join(dir, 'test/rules', file));
  for (const [i, file] of testFiles.entries()) copyFileSync(join(testFolder, file), copies[i]!);
  const { output } = await run(promtool, ['test', 'rules', ...copies]);
  return [...new Set([...output.matchAll(/alertname: (\w+)/g)].map((match) => match[1]!))].toSorted();
}

const replaceAll = (expr: string, pairs: [RegExp, string][]) =>
  pairs.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), expr);

t.test('the tests in test/rules stand guard over each line and each `for`', async (t) => {
  const parts = needParts(t, 'promtool');
  if (!parts) return;

  t.test('unchanged, none is broken', async (t) => {
    t.same(await brokenBy(t, parts.promtool, (rule) => rule), []);
  });

  t.test('without `for`', async (t) => {
    const held = rules.filter((rule) => rule.for !== undefined).map((rule) => rule.alert);
    const broken = await brokenBy(t, parts.promtool, (rule) => ({ ...rule, for: '0s' }));
    t.same(broken, held.toSorted());
  });

  t.test('with each line a little lower', async (t) => {
    const lower = (expr: string) => replaceAll(expr, [
      [/group_left /, 'group_left 0.999 * '],
      [/>= (0\.\d+)$/, '>= 0.999 * $1'],
      [/>= 3$/, '>= 2'],
      [/> 0$/, '>= 0'],
      [/<= 3600$/, '<= 3599'],
      [/(==|<=) 0/, '<= 1'],
      [/== 1$/, '>= 0'],
      [/>= (300|3600)$/, '>= $1 - 60'],
    ]);
    // its line is a time alone, and `without for` has moved that
    const all = names.filter((name) => name !== 'HeapwardenRestartOverdue').toSorted();
    const broken = await brokenBy(t, parts.promtool, (rule) => ({ ...rule, expr: lower(rule.expr) }));
    t.same(broken.filter((name) => name !== 'HeapwardenRestartOverdue'), all);
  });

  t.test('with each line no longer part of what is too much', async (t) => {
    const at = rules.filter((rule) => /[<>]=/.test(rule.expr)).map((rule) => rule.alert);
    const strict = (expr: string) => replaceAll(expr, [[/>=/, '>'], [/<=/, '<']]);
    const broken = await brokenBy(t, parts.promtool, (rule) => ({ ...rule, expr: strict(rule.expr) }));
    t.same(broken, at.toSorted());
  });
});

t.test('Alertmanager sends to the warden what asks for a restart, and everything to people', async (t) => {
  const parts = needParts(t, 'amtool');
  if (!parts) return;
  for (const config of alertmanagerConfigs) for (const { alert, labels } of rules) {
    const pairs = Object.entries({ alertname: alert, instance: 'a:9973', app: 'shop', worker: '0', ...labels });
    const matchers = pairs.map(([name, value]) => `${name}=${value}`);
    const args = ['config', 'routes', 'test', `--config.file=${config}`, ...matchers];
    const { output } = await run(parts.amtool, args);
    t.equal(output.trim().split('\n')[0], labels['action'] === 'restart' ? 'heapwarden,people' : 'people', alert);
  }
});

t.test('behind a relay Alertmanager does as without one, but for whom it calls', async (t) => {
  const [alone, relay] = alertmanagerConfigs.map((config) => parse(read(config)) as Record<string, unknown>);
  t.same(relay!['inhibit_rules'], alone!['inhibit_rules']);
  t.same(relay!['route'], alone!['route']);
});

t.test('no inhibition mutes a request for a restart, nor by one what is critical; each names alerts', async (t) => {
  const { inhibit_rules: inhibitions } = parse(read(alertmanagerConfig)) as AlertmanagerConfig;
  const alertsOf = (matchers: string[]): string[] => {
    const match = /^alertname(=~?)"(.+)"$/.exec(matchers.join());
    if (!match) throw new Error(`not one matcher, on alertname: ${matchers.join()}`);
    // Alertmanager anchors its regular expressions
    const pattern = match[1] === '=~' ? new RegExp(`^(?:${match[2]})$`) : null;
    return names.filter((name) => (pattern ? pattern.test(name) : name === match[2]));
  };
  const asks = (name: string) => restartRules.some((rule) => rule.alert === name);
  const isCritical = (name: string) => rules.find(({ alert }) => alert === name)?.labels['severity'] === 'critical';
  for (const { source_matchers: sources, target_matchers: targets, equal } of inhibitions) {
    const [muting, muted] = [alertsOf(sources), alertsOf(targets)];
    t.ok(muting.length > 0, `source ${sources[0]}`);
    t.ok(muted.length > 0, `target ${targets[0]}`);
    t.same(muted.filter(asks), []);
    // Its restart may be held back by a pause or a window.
    if (muting.some(asks)) t.same(muted.filter(isCritical), [], `critical, by ${sources[0]}`);
    t.ok(equal.includes('instance') && equal.includes('app'), 'never across apps');
  }
});
