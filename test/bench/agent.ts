/**
 * `npm run bench:agent`: what the agent costs an app, a Fastify hello, beside what others cost it. Exit status: 0 all
 * expectations met, 1 one not met or not measured.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';
import { AgentHub } from '../../src/observe/hub.js';
import { NODE_MAJORS, findPart } from '../parts/index.js';
import { measureIdle, type Idle } from './agent/idle.js';
import { idleTable, judge, throughputTable } from './agent/report.js';
import { AGENT, SCRAPE_MS, sides } from './agent/sides.js';
import { Hammer, measurePair, type Turn } from './agent/throughput.js';
import { machine } from './machine.js';
import { run } from './run.js';
import { promiseList } from './table.js';

const USAGE = `npm run bench:agent -- [flags]
  --restarts=N   how often each side is started anew under load, with a bare app (default 16; 0: leave this part out)
  --rounds=N     bursts of a second on each side a restart, in turn with as many on the bare app (default 5)
  --idle=N       the same of the idle part, twelve at once, which takes some 4 min (default 12; 0: leave this part out)
  --node=MAJOR   of the Node.js versions among the tests' parts (${NODE_MAJORS.join(', ')}); default: the one that runs this
  --only=TEXT    only sides whose name holds this, and the bare app with its control
  --json=FILE    every measurement, as JSON`;

const IDLE_MS = 20_000;
const SETS_AT_ONCE = 12;

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`${text} is no count`);
  return value;
}

/** The load on one CPU and the apps on another, where there are two and a way to say so. */
function places(): { app: number | null; load: number | null } {
  const canPin = cpus().length > 1 && existsSync('/usr/bin/taskset');
  return canPin ? { app: 1, load: 0 } : { app: null, load: null };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      restarts: { type: 'string', default: '16' },
      rounds: { type: 'string', default: '5' },
      idle: { type: 'string', default: '12' },
      node: { type: 'string' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.error(USAGE);
    return 0;
  }
  const [restarts, rounds, idles] = [count(values.restarts), count(values.rounds), count(values.idle)];
  const major = NODE_MAJORS.find((one) => String(one) === values.node);
  const node = values.node === undefined ? process.execPath : major === undefined ? null : findPart(`node-${major}`);
  if (node === null) throw new Error(`there is no Node ${values.node} among the tests' parts (npm run setup:test)`);
  if (!existsSync(AGENT)) throw new Error(`there is no ${AGENT}: run \`npm run build\``);

  const dir = mkdtempSync(join(tmpdir(), 'hw-bench-'));
  const hub = new AgentHub({ path: join(dir, 'agent.sock'), statsIntervalMs: SCRAPE_MS, clock: systemClock, log: silent });
  await hub.listen();
  const { bare, others, missing } = sides(join(dir, 'agent.sock'));
  const chosen = others.filter(({ name }, i) => i === 0 || name.includes(values.only));
  const { app: cpu, load: loadCpu } = places();
  const turns: Turn[] = [];
  const resting: Idle[] = [];
  const hammer = new Hammer(loadCpu);
  try {
    for (let i = 0; i < restarts; i++) {
      for (const side of chosen) turns.push(await measurePair(bare, side, hammer, { node, cpu, loadCpu, rounds }));
      console.error(`under load: ${i + 1} of ${restarts}`);
    }
    for (let done = 0; done < idles; done += SETS_AT_ONCE) {
      const sets = Math.min(SETS_AT_ONCE, idles - done);
      resting.push(...(await measureIdle([bare, ...chosen], hammer, { node, cpu: null, sets, forMs: IDLE_MS })));
      console.error(`idle: ${done + sets} of ${idles}`);
    }
  } finally {
    hammer.close();
    await hub.close();
    rmSync(dir, { recursive: true, force: true });
  }

  const nodeVersion = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim().slice(1);
  const versionOf = (name: string): string =>
    (JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), 'utf8')) as { version: string }).version;
  console.log(`${machine()}; apps on Node ${nodeVersion}, Fastify ${versionOf('fastify')}, prom-client ${versionOf('prom-client')}; \
medians of the restarts, and between which values they lie (95 %)\n`);
  if (turns.length > 0) {
    console.log(`16 connections, ${cpu === null ? 'apps and load share all CPUs' : 'all apps on one CPU, the load on another'}; \
bursts of a second, ${rounds} a restart, in turn with as many on the bare app\n\n${throughputTable(turns)}\n`);
  }
  if (resting.length > 0) console.log(`idle for ${IDLE_MS / 1000} s after a second of requests, a garbage collection and 2 min of rest; figures read every ${SCRAPE_MS / 1000} s\n\n${idleTable(resting, bare.name)}\n`);
  for (const what of missing) console.log(`NOT MEASURED  ${what}`);
  const agents = chosen.filter(({ name }) => name.startsWith('heapwarden'));
  const verdicts = agents.flatMap(({ name }) =>
    judge(turns, resting, { bare: bare.name, agent: name, rival: "prom-client's default metrics" }));
  console.log(promiseList(verdicts));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ machine: machine(), node: nodeVersion, turns, idle: resting }, null, 2)}\n`);
  const isWhole = verdicts.length > 0 && missing.length === 0;
  return isWhole && verdicts.every(({ kept }) => kept) ? 0 : 1;
}

await run('bench:agent', main);
