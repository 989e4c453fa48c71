/**
 * `npm run soak`: workers that leak, crash, freeze and end at random, under load, supervised by heapwarden itself and by
 * a real PM2; a warden that is killed, whose disk is filled and whose clock is moved, with a real Prometheus and a real
 * Alertmanager that come and go; and a referee (referee/) that watches from outside. Exit status: the referee's.
 *
 * Where it may (root, or user namespaces), all of it runs in mount and pid namespaces of its own: the state folder is a
 * small disk of its own then, and nothing outlives the run.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from '../bench/run.js';
import { inScope, type Scope } from '../bench/scope.js';
import { waitFor } from '../integration/wait.js';
import { CLI } from '../integration/warden-process.js';
import { findPart } from '../parts/index.js';
import { build, pause, prepare, type Plan } from './arena.js';
import { wreakChaos } from './chaos.js';
import { LightLoad } from './load.js';
import { seeded } from './seeded.js';

const USAGE = `npm run soak -- [flags]
  --minutes=N           how long (default 10; fractions are fine)
  --workers=N           how many, over all supervisors (default 50; at least 3)
  --seed=N              of everything that is random (default: another one each time; it is printed)
  --trigger=both        who asks for restarts: both (default; Alertmanager leads) or embedded
  --pace=SECONDS        about how long a worker lives before something happens to it (default 20)
  --keep                keep the folder with all logs and the referee's records.json`;

const DISK_MB = 48;
const INSIDE = 'HEAPWARDEN_SOAK_INSIDE';
const REFEREE = fileURLToPath(new URL('referee/main.ts', import.meta.url));
/** The last part of a run in which the warden is left alive, so that its memory can be judged. */
const UNDISTURBED = 0.5;

interface Flags extends Plan {
  minutes: number;
  keep: boolean;
}

function flagsOf(args: string[]): Flags | null {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '10' },
      workers: { type: 'string', default: '50' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      trigger: { type: 'string', default: 'both' },
      pace: { type: 'string', default: '20' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const [minutes, workers, seed, pace] = [values.minutes, values.workers, values.seed, values.pace].map(Number) as [number, number, number, number];
  const { trigger, keep } = values;
  const makesSense = minutes > 0 && Number.isInteger(workers) && workers >= 3 && Number.isInteger(seed) && pace > 0;
  if (values.help || !makesSense || (trigger !== 'both' && trigger !== 'embedded')) return null;
  return { minutes, workers, seed, trigger, paceMs: pace * 1000, keep };
}

const NAMESPACES = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
/** A shell as the first process, since somebody has to reap orphans. */
const INIT = ['sh', '-c', '"$@" & wait $!', 'sh'];

/** Program and arguments before a command that is to run in namespaces of its own; null where there can be none. */
function ownNamespaces(): string[] | null {
  const ways = [['unshare', ...NAMESPACES], ['unshare', '--user', '--map-root-user', ...NAMESPACES]];
  const works = ([program, ...args]: string[]) => spawnSync(program!, [...args, 'mount', '-t', 'tmpfs', 'heapwarden', '/mnt']).status === 0;
  return ways.slice(process.getuid?.() === 0 ? 0 : 1).find(works) ?? null;
}

/** Again, within. Resolves with its exit status. */
async function goInside(way: readonly string[], { seed, keep }: Flags): Promise<number> {
  const base = mkdtempSync(join(tmpdir(), 'hw-soak-'));
  const [program, ...args] = [...way, ...INIT, process.execPath, ...process.execArgv, ...process.argv.slice(1), `--seed=${seed}`];
  const child = spawn(program!, args, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1', TMPDIR: base } });
  // unshare lets no other signal through; the namespace ends with it.
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => child.kill('SIGKILL'));
  const status = await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  if (!keep) rmSync(base, { recursive: true, force: true });
  return status;
}

async function soak(flags: Flags, scope: Scope): Promise<number> {
  const { minutes, seed, workers, trigger, paceMs, keep } = flags;
  const dir = mkdtempSync(join(tmpdir(), 'hw-soak-'));
  scope.teardown(() => (keep ? console.log(`all of it is in ${dir}`) : rmSync(dir, { recursive: true, force: true })));
  mkdirSync(join(dir, 'state'));
  const hasDisk = process.env[INSIDE] === '1';
  if (hasDisk) execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'heapwarden', join(dir, 'state')]);
  scope.teardown(() => {
    if (!hasDisk) return;
    if (keep) execFileSync('cp', ['-a', join(dir, 'state'), join(dir, 'state-at-the-end')]);
    execFileSync('umount', [join(dir, 'state')]);
  });
  const random = seeded(seed);
  const forMs = minutes * 60_000;
  const began = performance.now();
  const tell = (what: string) => console.error(`${((performance.now() - began) / 1000).toFixed(0).padStart(5)} s  ${what}`);

  const ports = await prepare(dir, flags);
  const referee = spawn(process.execPath, ['--import=tsx', REFEREE, dir], { stdio: ['pipe', 'inherit', 'inherit'] });
  scope.teardown(() => referee.kill('SIGKILL'));
  const judged = new Promise<number>((resolve) => referee.once('exit', (code) => resolve(code ?? 1)));
  await waitFor('the referee to watch', () => existsSync(join(dir, 'watching')));
  const arena = await build(dir, flags, ports, scope);
  tell('everything runs');
  const load = new LightLoad(arena.places, random);
  scope.teardown(() => load.stop());
  const counts = await wreakChaos(arena, { random, forMs, killForMs: (1 - UNDISTURBED) * forMs, hasDisk, signal: scope.signal, tell });
  load.stop();
  arena.warden.write({ deed: 'end' });
  // What the journal still has to say of restarts under way belongs to the run; how workers are stopped does not.
  await pause(1000, scope.signal);
  const status = await arena.warden.stop();
  const { answered, failed } = load.counts;
  console.log(`\n${minutes} min, ${workers} workers, trigger ${trigger}, a life about ${paceMs / 1000} s, seed ${seed}; ${cpus().length} x ${cpus()[0]?.model}, Linux ${release()}, Node ${process.version}`);
  console.log(`done: ${[...counts].map(([what, times]) => `${what} ${times} times`).join(', ')}`);
  if (!hasDisk) console.log("NOT DONE: the warden's disk was never filled, for that takes root or user namespaces");
  console.log("NOT DONE: the kernel's clock was not touched; only the warden's own view of the time of day was moved");
  console.log(`requests: ${answered} answered, ${failed} not (workers that froze, crashed or were being replaced)\n`);
  referee.stdin.end();
  const verdict = await judged;
  if (status !== 0) console.log(`\nthe warden ended with ${status} when it was told to stop`);
  if (answered === 0) console.log('\nno request was answered, so nothing was under load');
  return status === 0 && answered > 0 ? verdict : 1;
}

async function main(): Promise<number> {
  const flags = flagsOf(process.argv.slice(2));
  if (!flags) {
    console.error(USAGE);
    return 2;
  }
  const missing = (['pm2', 'prometheus', 'prometheus-alertmanager'] as const).filter((part) => !findPart(part));
  if (missing.length > 0) throw new Error(`not on this machine: ${missing.join(', ')}; \`npm run setup:test\` tells why`);
  if (!existsSync(CLI)) throw new Error(`there is no ${CLI}: run \`npm run build\``);
  if (process.env[INSIDE] === undefined) {
    console.log(`seed ${flags.seed}`);
    const way = ownNamespaces();
    if (way) return goInside(way, flags);
    console.error('no namespaces of its own can be had here: THE DISK WILL NOT BE FILLED');
  }
  return inScope((scope) => soak(flags, scope));
}

await run('soak', main);
