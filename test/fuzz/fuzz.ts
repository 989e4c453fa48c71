/**
 * `npm run fuzz`: whatever heapwarden reads, fed with what nobody would write, for a bounded time. Each target has a
 * process of its own, so that one that hangs is ended and told with the input that it hangs on. Exit status: 1, a find.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { allTargets } from './all.js';
import { listen, run } from './target.js';

const USAGE = `npm run fuzz -- [flags]
  --seconds=N   for all targets together (default 60)
  --seed=N      of the inputs (default: another one each time; it is printed)
  --only=TEXT   only targets whose name holds this`;

/** A target that has not ended so long after its time hangs. */
const PATIENCE_MS = 20_000;
/** Of an input on which one hangs, for the report. */
const TOLD_CHARACTERS = 2000;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    only: { type: 'string', default: '' },
    target: { type: 'string' },
    inputs: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

interface Order {
  name: string;
  seconds: number;
  seed: number;
}

/** In a process of its own: one target, each input on record before it is tried. */
async function fuzzHere({ name, seconds, seed }: Order, inputs: string): Promise<never> {
  const file = openSync(inputs, 'w');
  listen((input) => {
    const text = input.slice(0, TOLD_CHARACTERS);
    writeSync(file, `${text}\n${'\0'.repeat(Math.max(0, TOLD_CHARACTERS - text.length))}`, 0);
  });
  const target = allTargets(() => {}).find((one) => one.name === name)!;
  const { runs, found } = await run(target, { seconds, seed });
  console.log(`${name}: ${runs} inputs${found === null ? '' : `, and one that breaks it:\n${found}`}`);
  process.exit(found === null ? 0 : 1);
}

async function fuzz(order: Order, inputs: string): Promise<boolean> {
  const { name, seconds, seed } = order;
  const child = fork(fileURLToPath(import.meta.url), [`--target=${name}`, `--seconds=${seconds}`, `--seed=${seed}`, `--inputs=${inputs}`]);
  let hangs = false;
  const timer = setTimeout(() => (hangs = child.kill('SIGKILL')), seconds * 1000 + PATIENCE_MS);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
  if (hangs) console.log(`${name}: it hangs on ${readFileSync(inputs, 'utf8').split('\n\0')[0]}`);
  else if (code === null) console.log(`${name}: it has killed its process, with ${readFileSync(inputs, 'utf8').split('\n\0')[0]}`);
  return code === 0;
}

async function main(): Promise<number> {
  const { seconds, seed, only, target, inputs, help } = { ...values, seconds: Number(values.seconds), seed: Number(values.seed) };
  if (help || !(seconds > 0) || !Number.isInteger(seed)) {
    console.error(USAGE);
    return help ? 0 : 2;
  }
  if (target !== undefined && inputs !== undefined) return fuzzHere({ name: target, seconds, seed }, inputs);
  const names: string[] = [];
  const endings: (() => unknown)[] = [];
  for (const { name } of allTargets((ending) => endings.push(ending))) if (name.includes(only)) names.push(name);
  for (const ending of endings) await ending();
  if (names.length === 0) throw new Error(`no target's name holds "${only}"`);
  console.log(`seed ${seed}; ${names.length} targets, ${(seconds / names.length).toFixed(1)} s each`);
  const folder = mkdtempSync(join(tmpdir(), 'hw-fuzz-'));
  try {
    let broken = 0;
    for (const name of names) if (!(await fuzz({ name, seconds: seconds / names.length, seed }, join(folder, 'inputs')))) broken++;
    console.log(broken === 0 ? 'nothing was found' : `${broken} of ${names.length} targets can be broken`);
    return broken === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
