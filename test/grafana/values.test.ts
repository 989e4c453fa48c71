/** What a panel draws of series that are made up, by promtool: no world has processes that are busy to the percent. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import t, { type Test } from 'tap';
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

interface Asked {
  /** Of the dashboard of one app. */
  panel: string;
  /** The query's, where the panel has several. */
  legend?: string;
  /** promtool compares to the last bit. */
  roundedTo: number;
}

/** What promtool objects to these samples, five minutes on; '' where nothing. */
function objectionTo(t: Test, promtool: string, asked: Asked, series: object[], samples: { labels: string; value: number }[]): Promise<string> {
  const targets = targetsOf(modelOf('heapwarden-app.json')).filter(({ panel }) => panel.title === asked.panel);
  const { target } = targets.find((one) => asked.legend === undefined || one.target.legendFormat === asked.legend)!;
  const expr = `round(${interpolated(target.expr, ALL, { step: INTERVAL_S, scrape: INTERVAL_S })}, ${asked.roundedTo})`;
  const test = { interval: `${INTERVAL_S}s`, input_series: series, promql_expr_test: [{ expr, eval_time: '5m', exp_samples: samples }] };
  const dir = t.testdir({ 'drawn.yml': stringify({ rule_files: [], evaluation_interval: `${INTERVAL_S}s`, tests: [test] }) });
  return new Promise((resolve) => {
    execFile(promtool, ['test', 'rules', join(dir, 'drawn.yml')], (error, stdout, stderr) => resolve(error ? stdout + stderr : ''));
  });
}

t.test('used heap is in memory by kind before the first major collection, too', async (t) => {
  const parts = needParts(t, 'promtool');
  if (!parts) return;
  const heap = (worker: string, what: string, bytes: number): object => ({
    series: `heapwarden_nodejs_heap_${what}_bytes{${OF_SHOP},worker="${worker}"}`,
    values: `${bytes}+0x40`,
  });
  const fresh = [heap('0', 'size_used', 30)];
  const both = [...fresh, heap('1', 'size_used', 100), heap('1', 'live', 80)];
  const cases: [name: string, series: object[], drawn: Record<string, number>][] = [
    ['of one that is new', fresh, { 'live heap': 0, garbage: 30 }],
    ['of one that is new beside one that is not', both, { 'live heap': 80, garbage: 50 }],
  ];
  for (const [name, series, drawn] of cases) {
    for (const [legend, value] of Object.entries(drawn)) {
      const asked = { panel: 'Memory by kind', legend, roundedTo: 1 };
      t.equal(await objectionTo(t, parts.promtool, asked, series, [{ labels: '{}', value }]), '', `${legend} ${name}`);
    }
  }
});

t.test('time in garbage collection is that of one worker, however many there are', async (t) => {
  const parts = needParts(t, 'promtool');
  if (!parts) return;
  const draws = (series: object[], drawn: Record<string, number>): Promise<string> => {
    const samples = Object.entries(drawn).map(([kind, value]) => ({ labels: `{kind="${kind}"}`, value }));
    return objectionTo(t, parts.promtool, { panel: 'Time in garbage collection', roundedTo: 0.001 }, series, samples);
  };

  t.equal(await draws([spent('0', 'major', 0.01), spent('1', 'major', 0.01)], { major: 0.01 }), '', 'two of 1 % are not 2 %');
  const busy = [spent('0', 'major', 0.01), spent('0', 'minor', 0.05), spent('1', 'major', 0.08), spent('1', 'minor', 0.01)];
  t.equal(await draws(busy, { major: 0.08, minor: 0.01 }), '', 'both kinds of the worker that spends the most, 9 %');
});
