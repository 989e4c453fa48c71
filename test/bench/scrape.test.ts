/** What the bench of scrapes computes, and that all who are compared look at the same processes. The bench itself is not run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { CLI } from '../integration/warden-process.js';
import { waitFor } from '../integration/wait.js';
import { needParts } from '../parts/index.js';
import { Scope } from './scope.js';
import { childWarden, matchingWarden, processExporter } from './scrape/contestants.js';
import { cpuMs } from './process-cost.js';
import { exponentOf } from './scrape/growth.js';
import type { Turn } from './scrape/measure.js';
import { pageFacts } from './scrape/page.js';
import { fleetView, measureRendering, workersFor } from './scrape/rendering.js';
import { factsList, growthTable, judge, renderingTable, samplingTable, scrapeTable, type Findings } from './scrape/report.js';
import { measureSampling } from './scrape/sampling.js';

const near = (value: number, expected: number, by: number) => Math.abs(value - expected) <= by;

t.test('the exponent of the fit', async (t) => {
  const of = (figure: (n: number) => number) => exponentOf([10, 100, 1000].map((n) => [n, figure(n)]));
  t.ok(near(of((n) => 3 * n), 1, 1e-9));
  t.ok(near(of(() => 7), 0, 1e-9));
  t.ok(near(of((n) => n * n), 2, 1e-9));
  t.ok(near(of((n) => 5 / Math.sqrt(n)), -0.5, 1e-9));
  const mixed = of((n) => 100 + n);
  t.ok(mixed > 0.3 && mixed < 0.7, `what is constant at first and linear at last is between: ${mixed}`);
  t.ok(Number.isNaN(exponentOf([[10, 5]])));
  t.ok(Number.isNaN(exponentOf([[10, 0], [100, 5]])));
  t.ok(Number.isNaN(exponentOf([])));
});

t.test('what is on a page', async (t) => {
  const text = '# HELP up é\n# TYPE up gauge\nup{worker="0"} 1\nup{worker="10"} 1\nrss{app="a",worker="0"} 2\nrss{kind="x",worker="0"} 2\nbuild 1\n\n';
  t.strictSame(pageFacts(text, 'worker="0"'), {
    bytes: text.length + 1,
    series: 5,
    ofOne: { series: 3, names: ['rss', 'up'] },
  });
});

t.test('CPU time, finer than the hundredths of a second in which the kernel tells it', async (t) => {
  const child = spawn('/bin/sh', ['-c', 'while :; do :; done'], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const pid = child.pid!;
  await waitFor('it to have worked', () => cpuMs(pid) > 100);
  const before = cpuMs(pid);
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
  const ticksMs = 10 * (Number(fields[11]) + Number(fields[12]));
  const after = cpuMs(pid);
  t.ok(ticksMs >= before - 30 && ticksMs <= after + 30, `${before} to ${after} ms, in ticks ${ticksMs}`);
});

const turn = (cpuMs: number, series = 100): Turn => ({
  cpuMs, idleCpuMs: cpuMs / 4, wallMs: cpuMs * 2, page: { bytes: 9000, series, ofOne: { series: 12, names: ['rss', 'up'] } },
});
const finding = (size: number): Findings => ({
  size,
  all: size + 50,
  turns: { we: [turn(size / 100), turn(size / 50), turn(size / 10)], 'process-exporter': [turn(size / 2), turn(size / 2), turn(size)] },
  sampling: [{ limit: 2, 'limit, parsed': 3, heapwarden: 6, pidusage: 21 }],
});

t.test('the tables', async (t) => {
  const findings = [finding(100), finding(1000)];
  t.equal(
    scrapeTable(findings, 'process-exporter'),
    `| processes |  | CPU a scrape and a look, ms | of it a look alone, ms | wall time, ms | bytes | series | series a process | CPU: times less | wall time: times less |
| :-- | --: | --: | --: | --: | --: | --: | --: | --: | --: |
| 100 | we | 2.0 | 0.50 | 4.0 | 9000 | 100 | 12 | 25.0 | 25.0 |
| 100 | process-exporter | 50.0 | 12.5 | 100 | 9000 | 100 | 12 | 1 | 1 |
| 1000 | we | 20.0 | 5.0 | 40.0 | 9000 | 100 | 12 | 25.0 | 25.0 |
| 1000 | process-exporter | 500 | 125 | 1000 | 9000 | 100 | 12 | 1 | 1 |`,
  );
  t.match(growthTable(findings), '| we | 1.00 | 1.00 | 1.00 | 0.00 | 0.00 |');
  t.match(samplingTable(findings), '| 1000 | 1050 | 2.0 | 3.0 | 6.0 | 2.0 | 21.0 |\n| exponent |  | 1.00 | 1.00 | 1.00 |  | 1.00 |');
  t.equal(samplingTable(findings.slice(1)).split('\n').length, 3, 'one size has no exponent');
  const effort = { wallMs: 8, heldMs: 5.04 };
  const rendering = { workers: 600, series: 40_000, bytes: 4e6, promClient: { wallMs: 82, heldMs: 82 }, heapwarden: effort, scraped: effort };
  t.match(renderingTable([rendering]), '| 40000 | 600 | 4000000 | 82.0 | 82.0 | 8.0 | 5.0 | 8.0 | 5.0 |');
  t.match(renderingTable([{ ...rendering, series: 4000, promClient: { wallMs: 8.2, heldMs: 8.2 } }, rendering]), '| exponent |  | 0.00 | 1.00 | 1.00 | 0.00 |');
  t.equal(factsList(findings), '- we: rss, up\n- process-exporter: rss, up');
});

t.test('what a scrape is judged by', async (t) => {
  const [small, large] = [finding(100), finding(1000)];
  const as = (own: Turn): Findings => ({ ...large, turns: { 'heapwarden, its children': [own], 'process-exporter': [turn(500)] } });
  const effort = { wallMs: 8, heldMs: 20 };
  const page = { workers: 600, series: 40_000, bytes: 4e6, promClient: effort, heapwarden: effort, scraped: effort };
  const kept = (...args: Parameters<typeof judge>) => judge(...args).map((verdict) => verdict.kept);
  const by = 'process-exporter';
  t.same(kept([small, as(turn(50))], [page], by), [true, true, true, true]);
  t.same(kept([as(turn(50.1))], [page], by), [false, true, true], 'more than a tenth');
  const fewer = { ...turn(10), page: { bytes: 1, series: 100, ofOne: { series: 11, names: [] } } };
  t.same(kept([as(fewer)], [page], by), [false, true, true], 'a tenth, of fewer facts');
  t.match(judge([as(fewer)], [], by)[0]!.found, '50.0 times less, 11 series a process (12)');
  const slow = { ...as(turn(50)), sampling: [{ limit: 2, 'limit, parsed': 3, heapwarden: 9.1, pidusage: 21 }] };
  t.same(kept([slow], [{ ...page, scraped: { wallMs: 30, heldMs: 20.1 } }], by), [true, false, false]);
});

t.test('pages of the size that is asked for, rendered, and scraped', async (t) => {
  const workers = await workersFor(1000);
  t.equal(fleetView(workers).workers.length, workers);
  const figures = await measureRendering(workers, 2);
  t.ok(near(figures.series, 1000, 60), `${figures.series} series`);
  t.ok(figures.bytes > 50 * figures.series);
  for (const { wallMs, heldMs } of [figures.promClient, figures.heapwarden, figures.scraped]) {
    t.ok(wallMs > 0 && heldMs > 0 && heldMs < 60_000, `${wallMs} ms, of which the loop was held for ${heldMs}`);
  }
});

t.test('each way of sampling is measured, and heapwarden sees them all', async (t) => {
  const { figures, all } = await measureSampling([process.pid, process.ppid], 5);
  for (const [way, us] of Object.entries(figures)) t.ok(us > 0 && us < 1e6, `${way}: ${us} µs`);
  t.ok(all >= 2);
  await t.rejects(measureSampling([process.pid, 2 ** 22 + 1], 5), { code: 'ENOENT' });
});

t.test('all who are compared look at the same processes', async (t) => {
  const parts = needParts(t, 'prometheus-process-exporter');
  if (!parts) return;
  t.ok(existsSync(CLI), 'npm run build has been run');
  const scope = new Scope();
  t.teardown(() => scope.close());
  const argv = ['/bin/sleep', `86399.${process.pid}`];
  const count = 3;
  const pidsOn = async (url: string, pattern: RegExp) => {
    const text = await (await fetch(url)).text();
    return [...text.matchAll(pattern)].map(([, pid]) => Number(pid)).toSorted((a, b) => a - b);
  };
  const ours = /^heapwarden_process_info\{.*pid="(\d+)"/gm;
  const owner = await childWarden(scope, argv, count);
  const pids = await pidsOn(owner.url, ours);
  t.equal(pids.length, count);
  const matching = await matchingWarden(scope, argv, count);
  t.strictSame(await pidsOn(matching.url, ours), pids);
  for (const lean of [false, true]) {
    const exporter = await processExporter(scope, parts['prometheus-process-exporter'], argv, { lean, pidOfOne: pids[0]! });
    const theirs = () => pidsOn(exporter.url, /^namedprocess_namegroup_num_procs\{groupname="(\d+)"\} 1$/gm);
    t.strictSame(await waitFor('its groups', async () => ((await theirs()).length === count ? theirs() : null)), pids);
    const text = await (await fetch(exporter.url)).text();
    t.ok(pageFacts(text, exporter.markOfOne).ofOne.names.includes('namedprocess_namegroup_memory_bytes'));
    // By threads it tells on some kernels only.
    t.equal(text.includes('memtype="proportionalResident"'), !lean, 'smaps');
  }
  const page = pageFacts(await (await fetch(owner.url)).text(), owner.markOfOne);
  t.ok(page.ofOne.names.includes('heapwarden_process_resident_memory_bytes'));
});
