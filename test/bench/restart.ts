/**
 * `npm run bench:restart`: heapwarden and PM2's max_memory_restart on the same leaking app, in one run.
 *
 * First the contestants that must notice the leak by themselves, side by side at the same time; then, one after the
 * other, restarts on request under load. Exit status: 0 all promises kept, 1 one broken or not measured.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.js';
import { formatBytes } from '../../src/units.js';
import { CLI } from '../integration/warden-process.js';
import { findPart } from '../parts/index.js';
import { LIMIT_MIB, LOADED, TIMED, type Contestant, type TimedContestant } from './contestants.js';
import { measureCycle } from './cycle.js';
import { phases } from './figures.js';
import { HANGING_MS, Load, REQUESTS_PER_SECOND } from './load.js';
import { judge, type LoadedResult, type TimedResult } from './results.js';
import { run } from './run.js';
import { Scope } from './scope.js';
import { failureList, loadedTable, promiseList, timedTable } from './table.js';

const USAGE = `npm run bench:restart -- [flags]
  --runs=N       restarts for memory by PM2 (default 5, some 35 s each; 0: leave this part out); heapwarden does
                 five times as many meanwhile
  --restarts=N   restarts of each contestant under load (default 4; 0: leave this part out)
  --only=TEXT    only contestants whose name holds this
  --json=FILE    every measurement, as JSON`;

/** heapwarden's cycles take a fifth of PM2's time. */
const RUNS_PER_PM2_RUN = 5;
/** Load before the first restart, between two, and after the last. */
const PAUSE_MS = 1000;

type Parts = Parameters<Contestant['start']>[0];

/** Its figures, until it has all or fails. */
async function time(contestant: TimedContestant, runs: number, parts: Parts): Promise<TimedResult> {
  const { name, role, looksEveryMs } = contestant;
  const result: TimedResult = { name, role, cycles: [], error: null };
  const { signal } = parts.scope;
  try {
    const { port } = await contestant.start(parts);
    for (const delayMs of phases(runs, looksEveryMs, Math.random)) {
      result.cycles.push(await measureCycle({ port, limitBytes: LIMIT_MIB * 2 ** 20, delayMs, signal }));
      console.error(`${name}: ${result.cycles.length} of ${runs}`);
    }
  } catch (error) {
    if (!signal.aborted) parts.scope.fail();
    result.error = messageOf(signal.aborted ? signal.reason : error);
  }
  return result;
}

async function load(contestant: Contestant, restarts: number, parts: Parts): Promise<LoadedResult> {
  const { name, role } = contestant;
  const result: LoadedResult = { name, role, restarts: 0, load: null, error: null };
  const { signal } = parts.scope;
  try {
    const app = await contestant.start(parts);
    const running = Load.start(app.port);
    try {
      await sleep(PAUSE_MS, undefined, { signal });
      while (result.restarts < restarts) {
        await app.restart();
        result.restarts += 1;
        await sleep(PAUSE_MS, undefined, { signal });
      }
    } finally {
      result.load = await running.stop();
    }
    console.error(`${name}: ${restarts} restarts under load`);
  } catch (error) {
    if (!signal.aborted) parts.scope.fail();
    result.error = messageOf(signal.aborted ? signal.reason : error);
  }
  return result;
}

/** Runs `work` with a scope of its own, and ends what it has started. */
async function scoped<T>(pm2Program: string, work: (parts: Parts) => Promise<T>): Promise<T> {
  const scope = new Scope();
  try {
    const result = await work({ scope, pm2Program });
    scope.signal.throwIfAborted();
    return result;
  } finally {
    await scope.close();
  }
}

function machine(pm2Program: string) {
  const { version: pm2 } = JSON.parse(readFileSync(join(dirname(pm2Program), '..', 'package.json'), 'utf8')) as { version: string };
  const all = cpus();
  const cpu = `${all.length} x ${all[0]?.model ?? 'unknown'}`;
  return { cpu, memory_bytes: totalmem(), linux: release(), node: process.version.slice(1), pm2, load_average: loadavg()[0]! };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '5' },
      restarts: { type: 'string', default: '4' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const [runs, restarts] = [Number(values.runs), Number(values.restarts)];
  const makeSense = Number.isInteger(runs) && Number.isInteger(restarts) && Math.min(runs, restarts) >= 0 && runs + restarts > 0;
  if (values.help || !makeSense) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  const pm2Program = findPart('pm2');
  if (!pm2Program) throw new Error('there is no PM2 to compare with: run `npm run setup:test`, which says why it cannot be had');
  if (!existsSync(CLI)) throw new Error(`there is no ${CLI}: run \`npm run build\``);

  const before = machine(pm2Program);
  const chosen = <T extends Contestant>(all: readonly T[]) => all.filter(({ name }) => name.includes(values.only));
  const timed = await scoped(pm2Program, (parts) =>
    Promise.all(
      chosen(runs > 0 ? TIMED : []).map((one) => time(one, one.role === 'yardstick' ? runs : runs * RUNS_PER_PM2_RUN, parts)),
    ),
  );
  const loaded: LoadedResult[] = [];
  for (const one of chosen(restarts > 0 ? LOADED : [])) loaded.push(await scoped(pm2Program, (parts) => load(one, restarts, parts)));
  const after = loadavg()[0]!;
  const promises = judge(timed, loaded);

  const { cpu, memory_bytes, linux, node, pm2, load_average } = before;
  console.log(`${cpu}, ${formatBytes(memory_bytes)}, Linux ${linux}, Node ${node}, PM2 ${pm2}; \
load average ${load_average.toFixed(2)} before, ${after.toFixed(2)} after\n`);
  if (timed.length > 0) {
    console.log(`limit ${LIMIT_MIB} MiB, leak 10 MB/s; heapwarden: sample_interval 1s, for 0s\n${timedTable(timed)}\n`);
  }
  if (loaded.length > 0) {
    console.log(`${REQUESTS_PER_SECOND} requests/s, a fifth of them slow (200 ms), half on kept connections; \
hanging: no answer in ${HANGING_MS / 1000} s\n${[loadedTable(loaded), ...failureList(loaded)].join('\n')}\n`);
  }
  for (const { name, error } of [...timed, ...loaded]) if (error !== null) console.log(`${name}: ${error}`);
  console.log(promiseList(promises));
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine: { ...before, load_average_after: after }, timed, loaded, promises }, null, 2)}\n`);
  }
  return promises.every(({ kept }) => kept) ? 0 : 1;
}

await run('bench:restart', main);
