/** What a panel draws of series that are made up, by promtool: no world has processes that are busy to the percent. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { needParts } from '../parts/index.js';
import { interpolated } from './interpolate.js';
import { modelOf, targetsOf } from './model.js';

const ALL = Object.fromEntries(['job', 'instance', 'app', 'worker'].map((name) => [name, { all: '.+' }]));
const OF_SHOP = 'job="hw",instance="a:9973",app="shop"';
const INTERVAL_S = 15;

/** A counter of seconds that grows by this share of the time. */
const spent = (worker: string, kind: string, share: number): object => ({
  series: `heapwarden_nodejs_gc_duration_seconds_sum{${OF_SHOP},worker="${worker}",kind="${kind}"}`,
  values: `0+${share * INTERVAL_S}x40`,
});

t.test('time in garbage collection is that of one worker, however many there are', async (t) => {
  const parts = needParts(t, 'promtool');
  if (!parts) return;
  const targets = targetsOf(modelOf('heapwarden-app.json'));
  const { target } = targets.find(({ panel }) => panel.title === 'Time in garbage collection')!;
  const expr = interpolated(target.expr, ALL, { step: INTERVAL_S, scrape: INTERVAL_S });
  const draws = (series: object[], drawn: Record<string, number>): Promise<string> => {
    const samples = Object.entries(drawn).map(([kind, value]) => ({ labels: `{kind="${kind}"}`, value }));
    // To the tenth of a percent: promtool compares to the last bit.
    const asked = { expr: `round(${expr}, 0.001)`, eval_time: '5m', exp_samples: samples };
    const tests = [{ interval: `${INTERVAL_S}s`, input_series: series, promql_expr_test: [asked] }];
    const dir = t.testdir({ 'drawn.yml': stringify({ rule_files: [], evaluation_interval: `${INTERVAL_S}s`, tests }) });
    const args = ['test', 'rules', join(dir, 'drawn.yml')];
    return new Promise((resolve) => {
      execFile(parts.promtool, args, (error, stdout, stderr) => resolve(error ? stdout + stderr : ''));
    });
  };

  t.equal(await draws([spent('0', 'major', 0.01), spent('1', 'major', 0.01)], { major: 0.01 }), '', 'two of 1 % are not 2 %');
  const busy = [spent('0', 'major', 0.01), spent('0', 'minor', 0.05), spent('1', 'major', 0.08), spent('1', 'minor', 0.01)];
  t.equal(await draws(busy, { major: 0.08, minor: 0.01 }), '', 'both kinds of the worker that spends the most, 9 %');
});
