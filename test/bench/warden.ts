/**
 * `npm run bench:warden`: what a warden costs over 1 to 1,000 workers, and PM2's daemon beside it. Exit status: 0 all
 * expectations met, 1 one not met or not measured.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CLI } from '../integration/warden-process.js';
import { findPart } from '../parts/index.js';
import { machine } from './machine.js';
import { cpuMs, memoryOf } from './process-cost.js';
import { run } from './run.js';
import { Scope } from './scope.js';
import { promiseList } from './table.js';
import { startPm2, startWarden, type Subject, type WardenOf } from './warden/subjects.js';
import { costTable, growthTable, judge, type Cost } from './warden/report.js';

const USAGE = `npm run bench:warden -- [flags]
  --sizes=N,N    numbers of workers (default 1,20,200,1000)
  --runs=N       fresh wardens of each (default 3)
  --seconds=N    measured of each, after --settle (default 45)
  --settle=N     seconds before that (default 20)
  --beside=N     real Node.js processes under a warden and under PM2 (default 20; 0: leave this part out)
  --json=FILE    every measurement, as JSON`;

/** As deploy/prometheus.yml has it. */
const SCRAPE_MS = 5000;

interface Plan {
  subject: string;
  workers: number;
  agents: string;
  start(scope: Scope): Promise<Subject>;
}

interface Timing {
  settleMs: number;
  forMs: number;
}

async function measure(start: (scope: Scope) => Promise<Subject>, { settleMs, forMs }: Timing): Promise<Omit<Cost, 'subject' | 'workers' | 'agents'>> {
  const scope = new Scope();
  try {
    const { pid, scrape } = await start(scope);
    let scraped = '';
    const wait = async (ms: number): Promise<void> => {
      for (const until = performance.now() + ms; performance.now() < until; ) {
        if (scrape) scraped = await scrape();
        await sleep(Math.min(SCRAPE_MS, Math.max(0, until - performance.now())), undefined, { signal: scope.signal });
      }
    };
    await wait(settleMs);
    const before = { at: performance.now(), cpu: cpuMs(pid) };
    await wait(forMs);
    const cpuShare = (cpuMs(pid) - before.cpu) / (performance.now() - before.at);
    const heap = /^nodejs_heap_size_used_bytes (\S+)$/m.exec(scraped);
    return { cpuShare, ...memoryOf(pid), heapUsed: heap ? Number(heap[1]) : null };
  } finally {
    await scope.close();
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      sizes: { type: 'string', default: '1,20,200,1000' },
      runs: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '45' },
      settle: { type: 'string', default: '20' },
      beside: { type: 'string', default: '20' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const sizes = values.sizes.split(',').filter(Boolean).map(Number);
  const [runs, seconds, settle, beside] = [values.runs, values.seconds, values.settle, values.beside].map(Number) as [number, number, number, number];
  const makeSense = [...sizes, runs, seconds, settle, beside].every((value) => Number.isInteger(value) && value >= 0);
  if (values.help || !makeSense || sizes.some((size) => size < 1 || size > 1000) || seconds < 1) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  if (!existsSync(CLI)) throw new Error(`there is no ${CLI}: run \`npm run build\``);
  const timing = { settleMs: settle * 1000, forMs: seconds * 1000 };
  const about = machine();
  const costs: Cost[] = [];
  const plans: Plan[] = [];
  const add = (subject: string, workers: number, agents: string, start: Plan['start']) => plans.push({ subject, workers, agents, start });
  const warden = (of: WardenOf) => (scope: Scope) => startWarden(scope, of);
  for (const workers of sizes) {
    for (const hasAgents of [false, true]) {
      add('heapwarden', workers, hasAgents ? 'simulated agents' : 'no agents', warden({ workers, kind: 'sleep', hasAgents }));
    }
  }
  const pm2 = findPart('pm2');
  if (beside > 0) {
    add('heapwarden', beside, 'real agents', warden({ workers: beside, kind: 'node', hasAgents: true }));
    if (pm2) add('PM2 7', beside, 'its @pm2/io', (scope) => startPm2(scope, pm2, beside));
  }

  // In turn, forth and back: what the machine does meanwhile falls to all of them.
  for (let run = 0; run < runs; run++) {
    for (const { start, ...plan } of run % 2 === 0 ? plans : plans.toReversed()) {
      costs.push({ ...plan, ...(await measure(start, timing)) });
      console.error(`${plan.subject}, ${plan.workers} workers, ${plan.agents}: ${run + 1} of ${runs}`);
    }
  }

  console.log(`${about}; medians of ${runs} fresh starts each, ${seconds} s after ${settle} s of rest; sample_interval 5 s, scraped every ${SCRAPE_MS / 1000} s.
Workers are processes of /bin/sleep, with one process that speaks the agent's protocol for all; beside PM2, real Node.js processes.\n`);
  console.log(`${costTable(costs)}\n\n${growthTable(costs)}\n`);
  const verdicts = judge(costs);
  console.log(promiseList(verdicts));
  if (beside > 0 && !pm2) console.log('NOT MEASURED  PM2: it is not on this machine (npm run setup:test tells why)');
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine: about, costs }, null, 2)}\n`);
  const isWhole = verdicts.length > 0 && (beside === 0 || pm2 !== null);
  return isWhole && verdicts.every(({ kept }) => kept) ? 0 : 1;
}

await run('bench:warden', main);
