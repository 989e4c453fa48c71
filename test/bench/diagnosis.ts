/**
 * `npm run bench:diagnosis`: the leak lab. Small services with one disease each, or none, under a real warden: what it
 * says of them, beside the truth. Exit status: 0 all was measured, well or badly; 1 a part of it could not be run.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CLI } from '../integration/warden-process.js';
import { FROZEN, HEALTHY, LEAKS } from '../apps/lab/lab.js';
import { hardware } from './machine.js';
import { measureCost } from './lab/profiler-cost.js';
import { caption, costLine, expectationList, freezeTable, healthyTable, leakTable, misses } from './lab/report.js';
import { freezeSessions, memorySessions } from './lab/sessions.js';
import { expectations, freezeRow, healthyRow, leakRow, type Findings } from './lab/verdicts.js';
import { watch, type Session, type Watched } from './lab/watch.js';
import { run } from './run.js';
import { Scope } from './scope.js';

const USAGE = `npm run bench:diagnosis -- [flags]   (some 11 minutes)
  --only=TEXT    only programs whose name matches this regular expression; "profiler" is the cost of the profiler
  --json=FILE    every finding, as JSON
  --record=DIR   the memory of each process over its life, as the warden saw it: APP.PID.jsonl, a sample a line`;

const COST = { rounds: 8, turnMs: 4000 };

/** Runs `work` with a scope of its own, and ends what it has started. */
async function scoped<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  try {
    const result = await work(scope);
    scope.signal.throwIfAborted();
    return result;
  } finally {
    await scope.close();
  }
}

type Choice = (name: string) => boolean;

async function runAll(
  sessions: readonly Session[],
  isChosen: Choice,
  recordTo: string | null,
): Promise<Map<string, Watched>> {
  const all = new Map<string, Watched>();
  for (const session of sessions) {
    const apps = session.apps.filter(({ name }) => isChosen(name));
    if (apps.length === 0) continue;
    console.error(`${apps.map(({ name }) => name).join(', ')} …`);
    const until = new Set([...session.until].filter(isChosen));
    const lives = await scoped((scope) => watch(scope, { ...session, apps, until }, recordTo));
    for (const [name, watched] of lives) all.set(name, watched);
  }
  return all;
}

function machine(): string {
  return `${hardware()}, Node ${process.versions.node}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      record: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.error(USAGE);
    return 0;
  }
  if (!existsSync(CLI)) throw new Error(`there is no ${CLI}: run \`npm run build\``);
  const pattern = new RegExp(values.only);
  const isChosen = (name: string) => pattern.test(name);
  const before = loadavg()[0]!;
  const recordTo = values.record === undefined ? null : resolve(values.record);
  if (recordTo !== null) mkdirSync(recordTo, { recursive: true });
  const lives = await runAll([...memorySessions(), ...freezeSessions()], isChosen, recordTo);
  const chosen = <T extends { file: string }>(programs: readonly T[]) => programs.filter(({ file }) => isChosen(file));
  const findings: Findings = {
    leaks: chosen(LEAKS).map((program) => leakRow(program, lives.get(program.file))),
    healthy: chosen(HEALTHY).map((program) => healthyRow(program, lives.get(program.file))),
    freezes: chosen(FROZEN).map((program) => freezeRow(program, lives.get(program.file))),
    cost: isChosen('profiler') ? await scoped((scope) => measureCost(scope, COST)) : null,
  };
  const { leaks, healthy, freezes } = findings;
  console.log(`${machine()}; load average ${before.toFixed(2)} before, ${loadavg()[0]!.toFixed(2)} after\n`);
  const parts = [leakTable(leaks), healthyTable(healthy), freezeTable(freezes), caption(), costLine(findings)];
  console.log(`${parts.filter((part) => part !== null).join('\n\n')}\n`);
  console.log(expectationList(expectations(findings)));
  for (const line of misses(findings)) console.log(line);
  if (values.json !== undefined) {
    const words = Object.fromEntries([...lives].map(([name, watched]) => [name, watched.words]));
    writeFileSync(values.json, `${JSON.stringify({ ...findings, words }, null, 2)}\n`);
  }
  const wasRestarted = leaks.every(({ life }) => life !== null) && freezes.every(({ asked }) => asked !== null);
  return wasRestarted && healthy.every(({ of }) => of > 0) ? 0 : 1;
}

await run('bench:diagnosis', main);
