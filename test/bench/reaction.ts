/**
 * `npm run bench:reaction`: how long a process lives above its memory limit until it is told to stop, with heapwarden
 * alone, through a real Prometheus and Alertmanager, and with PM2. Exit status: 0 all measured, 1 one not.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.js';
import { CLI } from '../integration/warden-process.js';
import { findPart } from '../parts/index.js';
import { markdown } from './agent/report.js';
import { percentile } from './figures.js';
import { machine } from './machine.js';
import { CONTESTANTS, LIMIT_BYTES, type Contestant } from './reaction/contestants.js';
import { measureReaction, type Reaction } from './reaction/measure.js';
import { run } from './run.js';
import { Scope } from './scope.js';

const USAGE = `npm run bench:reaction -- [flags]
  --runs=N      crossings of each, in evenly spread phases (default 20)
  --only=TEXT   only contestants whose name holds this
  --json=FILE   every measurement, as JSON`;

async function race(contestant: Contestant, runs: number): Promise<Reaction> {
  const { name, needs } = contestant;
  const missing = needs.filter((part) => !findPart(part));
  if (missing.length > 0) return { name, ms: [], error: `${missing.join(', ')} not on this machine (npm run setup:test tells why)` };
  const scope = new Scope();
  const done: number[] = [];
  try {
    const onRun = (count: number) => console.error(`${name}: ${count} of ${runs}`);
    done.push(...(await measureReaction(contestant, runs, { scope, pm2Program: findPart('pm2'), onRun })));
    return { name, ms: done, error: null };
  } catch (error) {
    scope.fail();
    return { name, ms: done, error: messageOf(scope.signal.aborted ? scope.signal.reason : error) };
  } finally {
    await scope.close();
  }
}

function tableOf(reactions: readonly Reaction[]): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(2);
  const theirs = reactions.find(({ name }) => name.startsWith('PM2'))?.ms ?? [];
  const rows = reactions.map(({ name, ms }) => {
    if (ms.length === 0) return [name, '0', '-', '-', '-', '-'];
    const at = (share: number): string => seconds(percentile(ms, share));
    const times = theirs.length > 0 ? (percentile(theirs, 0.5) / percentile(ms, 0.5)).toFixed(1) : '-';
    return [name, String(ms.length), at(0.5), `${at(0)} to ${at(1)}`, at(0.95), times];
  });
  return markdown([['from limit crossed to stop signal', 'runs', 'median, s', 'range, s', 'p95, s', "times less than PM2's"], ...rows]);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '20' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const runs = Number(values.runs);
  const chosen = CONTESTANTS.filter(({ name }) => name.includes(values.only));
  if (values.help || !Number.isInteger(runs) || runs < 1 || chosen.length === 0) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  if (!existsSync(CLI)) throw new Error(`there is no ${CLI}: run \`npm run build\``);
  const about = machine();
  // At once: they wait most of the time.
  const reactions = await Promise.all(chosen.map((one) => race(one, runs)));
  console.log(`${about}; limit ${LIMIT_BYTES / 2 ** 20} MiB, crossed at once; no \`for\` (each adds as much as it says); evidence as by default\n`);
  console.log(`${tableOf(reactions)}\n`);
  for (const { name, error } of reactions) if (error !== null) console.log(`NOT MEASURED  ${name}: ${error}`);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine: about, reactions }, null, 2)}\n`);
  return reactions.every(({ error }) => error === null) ? 0 : 1;
}

await run('bench:reaction', main);
