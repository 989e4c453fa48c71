/**
 * `npm run bench:scrape`: what it costs to look at processes and to tell of them, against Debian's process-exporter on
 * the same processes. Exit status: 0 all expectations met, 1 one not met or not measured.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { CLI } from '../integration/warden-process.js';
import { findPart } from '../parts/index.js';
import { hardware } from './machine.js';
import { run } from './run.js';
import { inScope, type Scope } from './scope.js';
import { childWarden, matchingWarden, processExporter, SAMPLE_INTERVAL_MS, type Contestant } from './scrape/contestants.js';
import { takeTurn, warmUp, type Turn } from './scrape/measure.js';
import { measureRendering, workersFor, type RenderingFigures } from './scrape/rendering.js';
import { factsList, growthTable, judge, renderingTable, samplingTable, scrapeTable, type Findings } from './scrape/report.js';
import { measureSampling, type SamplingFigures } from './scrape/sampling.js';
import { promiseList } from './table.js';

const USAGE = `npm run bench:scrape -- [flags]   (some 10 minutes; Linux)
  --sizes=10,100,1000         watched processes, at most 1000
  --series=1000,10000,40000   series of the pages that are rendered
  --runs=3                    turns of each contestant at each size
  --scrapes=5                 scrapes a turn, one a second
  --json=FILE                 every turn, as JSON`;

const PAGES = 15;
const YARDSTICK = 'process-exporter';

interface Plan {
  sizes: readonly number[];
  runs: number;
  scrapes: number;
  exporter: string;
}

/** All contestants are there, and all but the one whose turn it is are stopped (SIGSTOP). */
async function compare(scope: Scope, size: number, { runs, scrapes, exporter }: Plan): Promise<Findings> {
  const argv = ['/bin/sleep', `86400.${process.pid}`];
  const owner = await childWarden(scope, argv, size);
  const pids = await pidsOf(owner);
  const contestants = [owner, await matchingWarden(scope, argv, size)];
  for (const lean of [false, true]) contestants.push(await processExporter(scope, exporter, argv, { lean, pidOfOne: pids[0]! }));
  const signal = (contestant: Contestant, name: NodeJS.Signals) => process.kill(contestant.pid, name);
  scope.teardown(() => contestants.forEach((contestant) => signal(contestant, 'SIGCONT')));
  await Promise.all(contestants.map((contestant) => warmUp(contestant, scope.signal)));
  for (const contestant of contestants) signal(contestant, 'SIGSTOP');
  const turns: Record<string, Turn[]> = Object.fromEntries(contestants.map(({ name }) => [name, []]));
  const sampling: SamplingFigures[] = [];
  let all = 0;
  for (let run = 0; run < runs; run++) {
    console.error(`${size} processes, run ${run + 1} of ${runs} …`);
    for (const contestant of run % 2 === 0 ? contestants : contestants.toReversed()) {
      signal(contestant, 'SIGCONT');
      turns[contestant.name]!.push(await takeTurn(contestant, scrapes, scope.signal));
      signal(contestant, 'SIGSTOP');
    }
    const measured = await measureSampling(pids);
    sampling.push(measured.figures);
    ({ all } = measured);
  }
  return { size, turns, sampling, all };
}

async function pidsOf({ url }: Contestant): Promise<number[]> {
  const text = await (await fetch(url)).text();
  return [...text.matchAll(/^heapwarden_process_info\{.*pid="(\d+)"/gm)].map(([, pid]) => Number(pid));
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      sizes: { type: 'string', default: '10,100,1000' },
      series: { type: 'string', default: '1000,10000,40000' },
      runs: { type: 'string', default: '3' },
      scrapes: { type: 'string', default: '5' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const listOf = (text: string) => text.split(',').map(Number);
  const [sizes, series, runs, scrapes] = [listOf(values.sizes), listOf(values.series), Number(values.runs), Number(values.scrapes)];
  const areCounts = [...sizes, ...series, runs, scrapes].every((count) => Number.isInteger(count) && count >= 1);
  if (values.help || !areCounts || Math.max(...sizes) > 1000) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  if (!existsSync(CLI)) throw new Error(`there is no ${CLI}: run \`npm run build\``);
  const exporter = findPart('prometheus-process-exporter');
  if (!exporter) throw new Error('there is no process-exporter: `npm run setup:test` gets it, on Debian');
  const before = loadavg()[0]!;
  const rendering: RenderingFigures[] = [];
  for (const count of series) rendering.push(await measureRendering(await workersFor(count), PAGES));
  const findings: Findings[] = [];
  for (const size of sizes) findings.push(await inScope((scope) => compare(scope, size, { sizes, runs, scrapes, exporter })));

  console.log(`${machine()}; process-exporter ${versionOf(exporter)}, prom-client ${npmVersion('prom-client')}, pidusage ${npmVersion('pidusage')}; load average ${before.toFixed(2)} before, ${loadavg()[0]!.toFixed(2)} after\n`);
  console.log(`Medians of ${runs} turns of ${scrapes} scrapes, one a second, and as many seconds without. A warden looks at all`);
  console.log(`processes every ${SAMPLE_INTERVAL_MS / 1000} s here (every 5 s by default), so that each scrape has one look in its figure.\n`);
  console.log(`${scrapeTable(findings, YARDSTICK)}\n\n${growthTable(findings)}\n`);
  console.log(`A look at all processes, µs of CPU time for each that is watched:\n\n${samplingTable(findings)}\n`);
  console.log(`A page of metrics, medians of ${PAGES}, and the longest time that any of them held the event loop:\n\n${renderingTable(rendering)}\n`);
  console.log(`What is told of one process:\n\n${factsList(findings)}\n`);
  const verdicts = judge(findings, rendering, YARDSTICK);
  console.log(promiseList(verdicts));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine: machine(), findings, rendering }, null, 2)}\n`);
  return verdicts.every(({ kept }) => kept) ? 0 : 1;
}

function machine(): string {
  return `${hardware()}, Node ${process.versions.node}`;
}

function versionOf(exporter: string): string {
  const { stdout, stderr } = spawnSync(exporter, ['-version'], { encoding: 'utf8' });
  return /revision: ([\w.+-]+)/.exec(stdout + stderr)?.[1] ?? 'of unknown version';
}

function npmVersion(name: string): string {
  return (createRequire(import.meta.url)(`${name}/package.json`) as { version: string }).version;
}

await run('bench:scrape', main);
