import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { History } from '../../src/act/history.js';
import { createMeter } from '../../src/agent/meter.cjs';
import type { Family, View } from '../../src/publish/family.js';
import { render, type Collector } from '../../src/publish/render.js';
import { SelfMetrics } from '../../src/publish/self.js';
import { MB, configOf, workerOf } from '../decide/support.js';
import { needParts } from '../parts/index.js';
import { CLOCK, VIEW, collectorOf, freshCounters, linesOf, page, viewFamilies } from './support.js';

/** DESIGN.md's table; and agent_up, which an alert needs. */
const CONTRACT: Record<string, string> = {
  heapwarden_process_up: 'app worker',
  heapwarden_process_resident_memory_bytes: 'app worker',
  heapwarden_process_cpu_seconds_total: 'app worker',
  heapwarden_process_start_time_seconds: 'app worker',
  heapwarden_process_open_fds: 'app worker',
  heapwarden_process_threads: 'app worker',
  heapwarden_process_info: 'app node_version pid supervisor worker',
  heapwarden_agent_up: 'app worker',
  heapwarden_agent_contradicted: 'app worker',
  heapwarden_nodejs_heap_size_used_bytes: 'app worker',
  heapwarden_nodejs_heap_size_total_bytes: 'app worker',
  heapwarden_nodejs_heap_size_limit_bytes: 'app worker',
  heapwarden_nodejs_heap_live_bytes: 'app worker',
  heapwarden_nodejs_external_memory_bytes: 'app worker',
  heapwarden_nodejs_array_buffers_bytes: 'app worker',
  heapwarden_nodejs_heap_space_size_used_bytes: 'app space worker',
  heapwarden_nodejs_gc_duration_seconds: 'app kind worker',
  heapwarden_nodejs_eventloop_lag_mean_seconds: 'app worker',
  heapwarden_nodejs_eventloop_lag_p50_seconds: 'app worker',
  heapwarden_nodejs_eventloop_lag_p90_seconds: 'app worker',
  heapwarden_nodejs_eventloop_lag_p99_seconds: 'app worker',
  heapwarden_nodejs_eventloop_lag_max_seconds: 'app worker',
  heapwarden_nodejs_eventloop_utilization_ratio: 'app worker',
  heapwarden_nodejs_eventloop_heartbeat_timestamp_seconds: 'app worker',
  heapwarden_nodejs_active_resources: 'app type worker',
  heapwarden_limit_bytes: 'app level resource',
  heapwarden_limit_ratio: 'app level resource',
  heapwarden_limit_seconds: 'app level resource',
  heapwarden_forecast_seconds: 'app worker',
  heapwarden_leak_rate_bytes_per_second: 'app class worker',
  heapwarden_restarts_total: 'app reason result',
  heapwarden_restart_refusals_total: 'app refusal',
  heapwarden_out_of_memory_deaths_total: 'app reason',
  heapwarden_restart_duration_seconds: 'app',
  heapwarden_restart_reclaimed_bytes: 'app worker',
  heapwarden_restart_last_timestamp_seconds: 'app worker',
  heapwarden_restart_budget_remaining: 'app',
  heapwarden_restart_downtime_seconds: 'app',
  heapwarden_restarts_blocked: 'app refusal worker',
  heapwarden_alerts_received_total: 'decision',
  heapwarden_agents_connected: '',
  heapwarden_build_info: 'node_version version',
  heapwarden_config_last_reload_successful: '',
  heapwarden_config_last_reload_success_timestamp_seconds: '',
  heapwarden_collector_duration_seconds: 'collector',
  heapwarden_collector_success: 'collector',
  heapwarden_journal_errors_total: '',
};

const fresh = freshCounters('shop', 'static');
const counters: Collector = { name: 'counters', collect: () => fresh.families() };
const view = collectorOf('view', ...viewFamilies(VIEW));
const everything = async (t: { teardown(end: () => void): void }): Promise<Collector[]> => {
  const meter = createMeter();
  const self = new SelfMetrics(meter, async () => 21);
  t.teardown(() => {
    self.close();
    meter.close();
  });
  return [view, counters, { name: 'self', collect: () => self.families() }];
};

/** The page's families by name; of each the label names of its samples, without a histogram's own. */
function labelsByFamily(text: string): Record<string, string> {
  const families: Record<string, string> = {};
  let family = '';
  for (const line of text.split('\n')) {
    family = /^# TYPE (\S+) /.exec(line)?.[1] ?? family;
    const labels = /^[^#\s{]+(?:\{(.*)\})? \S+$/.exec(line);
    if (!labels) continue;
    const names = [...(labels[1] ?? '').matchAll(/(\w+)="(?:[^"\\]|\\.)*",?/g)].map(([, name]) => name!);
    families[family] = names.filter((name) => name !== 'le').toSorted().join(' ');
  }
  return families;
}

t.test('every metric of the contract, with its labels, and none beside', async (t) => {
  t.strictSame(labelsByFamily(await page([view, counters])), CONTRACT);
});

t.test('the exposition of what a view tells, to the letter', async (t) => {
  const expected = readFileSync(new URL('expected.prom', import.meta.url), 'utf8');
  const text = linesOf(await page([view])).join('\n').trimEnd();
  t.equal(`${text}\n`, expected.replace('NODE_VERSION', process.version.slice(1)));
});

t.test('promtool finds nothing to say', async (t) => {
  const parts = needParts(t, 'promtool');
  if (!parts) return;
  const input = await page(await everything(t));
  const { status, stdout, stderr } = spawnSync(parts.promtool, ['check', 'metrics'], { input, encoding: 'utf8' });
  t.strictSame({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
});

t.test('Prometheus reads the OpenMetrics page', async (t) => {
  const parts = needParts(t, 'promtool');
  if (!parts) return;
  const text = await page(await everything(t), 'openmetrics');
  t.ok(text.endsWith('\n# EOF\n'));
  t.notMatch(text, /_total_total/);
  t.match(text, /^# TYPE heapwarden_restarts counter\nheapwarden_restarts_total\{app="shop",/m);
  // What promtool can read of this format is what it can backfill: every sample needs its time.
  const dir = t.testdir();
  const file = join(dir, 'page.om');
  writeFileSync(file, text.replace(/^([^#\n].*)$/gm, '$1 1700000000'));
  const { status, stderr } = spawnSync(
    parts.promtool,
    ['tsdb', 'create-blocks-from', 'openmetrics', file, join(dir, 'blocks')],
    { encoding: 'utf8' },
  );
  t.strictSame({ status, stderr }, { status: 0, stderr: '' });
});

t.test('one format does not spoil the other, however often', async (t) => {
  const collectors = [view, counters];
  const text = linesOf(await page(collectors));
  const openmetrics = linesOf(await page(collectors, 'openmetrics'));
  const samples = (lines: string[]) => lines.filter((line) => !line.startsWith('#') && line !== '');
  for (let i = 0; i < 3; i++) {
    t.strictSame(linesOf(await page(collectors)), text);
    t.strictSame(linesOf(await page(collectors, 'openmetrics')), openmetrics);
  }
  t.strictSame(samples(openmetrics), samples(text), 'the series are the same in both');
});

t.test('a collector that fails costs no more than its own metrics', async (t) => {
  const failures: string[] = [];
  const twice = viewFamilies(VIEW).slice(0, 1);
  const collectors: Collector[] = [
    collectorOf('good', ...twice),
    { name: 'throws', collect: () => { throw new Error('sync'); } },
    { name: 'rejects', collect: () => Promise.reject(new Error('async')) },
    collectorOf('doubles', ...twice),
    collectorOf('last', ...viewFamilies(VIEW).slice(1, 2)),
  ];
  const past = new Map([['sampler', { success: false, durationMs: 1500 }]]);
  const text = String(await render(collectors, past, 'text', (name, error) => failures.push(`${name}: ${String(error)}`)));
  t.strictSame(failures, [
    'throws: Error: sync',
    'rejects: Error: async',
    'doubles: Error: A metric with the name heapwarden_process_up has already been registered.',
  ]);
  t.match(text, /^heapwarden_process_up\{app="shop",worker="0"\} 1$/m);
  t.match(text, /^heapwarden_process_resident_memory_bytes\{/m);
  const success = text.split('\n').filter((line) => line.startsWith('heapwarden_collector_success{'));
  t.strictSame(success, [
    'heapwarden_collector_success{collector="sampler"} 0',
    'heapwarden_collector_success{collector="good"} 1',
    'heapwarden_collector_success{collector="throws"} 0',
    'heapwarden_collector_success{collector="rejects"} 0',
    'heapwarden_collector_success{collector="doubles"} 0',
    'heapwarden_collector_success{collector="last"} 1',
  ]);
  t.match(text, /^heapwarden_collector_duration_seconds\{collector="sampler"\} 1\.5$/m);
  t.match(text, /^heapwarden_collector_duration_seconds\{collector="good"\} 0\.\d+$/m);
});

t.test('no name breaks out of its label', async (t) => {
  const evil = 'a"b\\c\nd{e="f"} 1 <script>alert(1)</script> é😀';
  const config = configOf(`apps: [{ name: ${JSON.stringify(evil.replace('\n', ''))}, supervisor: { pm2: x } }]`);
  const workers = [workerOf({ app: evil, worker: evil, stats: { heap_spaces: { [evil]: MB } } })];
  const hostile: View = { ...VIEW, config, workers, history: new History([], CLOCK) };
  for (const exposition of ['text', 'openmetrics'] as const) {
    const text = await page([collectorOf('view', ...viewFamilies(hostile))], exposition);
    const broken = text.split('\n').filter((line) => !/^(?:$|#|heapwarden_\w+(?:\{.*\})? [\d.e+-]+$)/.test(line));
    t.strictSame(broken, []);
    const escaped = 'a\\"b\\\\c\\nd{e=\\"f\\"} 1 <script>alert(1)</script> é😀';
    t.ok(text.includes(`heapwarden_process_up{app="${escaped}",worker="${escaped}"} 1\n`));
    t.strictSame(labelsByFamily(text)['heapwarden_nodejs_heap_space_size_used_bytes'], 'app space worker');
  }
});

t.test('what is not known is absent, never zero', async (t) => {
  const nothing: View = { ...VIEW, workers: [workerOf({ pid: null })], outlook: () => null, history: new History([], CLOCK) };
  const samples = viewFamilies(nothing).flatMap(({ name, values }: Family) => [...values].map(() => name));
  t.strictSame(samples.filter((name) => !name.includes('limit')), [
    'heapwarden_process_up',
    'heapwarden_agent_up',
    'heapwarden_restart_budget_remaining',
    'heapwarden_restart_budget_remaining',
    'heapwarden_restarts_blocked',
    'heapwarden_restarts_blocked',
    'heapwarden_restarts_blocked',
    'heapwarden_build_info',
    'heapwarden_agents_connected',
    'heapwarden_config_last_reload_successful',
    'heapwarden_config_last_reload_success_timestamp_seconds',
  ]);
});

t.test('a failed reload', async (t) => {
  const failed: View = { ...VIEW, lastReload: { successful: false, successAtMs: 5000 } };
  const lines = linesOf(await page([collectorOf('view', ...viewFamilies(failed))]), 'last_reload');
  t.ok(lines.includes('heapwarden_config_last_reload_successful 0'));
  t.ok(lines.includes('heapwarden_config_last_reload_success_timestamp_seconds 5'));
});
