/** Who runs what, and who listens where: for Linux (/proc), macOS and the BSDs (ps, lsof), Windows (PowerShell). */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ProcessFinder, SeenProcess } from '../supervisors/contract.js';
import { readCommandLine } from './command-line.js';
import { listeningBeside, socketsOf } from './listening.js';
import { runPowershell, type RunScript } from './powershell.js';
import type { ProcessFacts, ProcessSource } from './processes.js';

/** Each read holds a descriptor, of which we may have fewer than the machine has processes. */
const READS_AT_ONCE = 16;

type WithLines = ReadonlyMap<number, SeenProcess & { commandLine: string | null }>;
/** A settled line was read when its process was no longer young. */
type Remembered = ProcessFacts & { commandLine: string | null; isSettled: boolean };
type Snapshot = Pick<ProcessSource, 'snapshot'>;

export function processFinder(processes: Snapshot, platform: NodeJS.Platform = process.platform): ProcessFinder {
  if (platform === 'win32') return new WindowsFinder(processes);
  return platform === 'linux' ? new LinuxFinder(processes) : new PsFinder(processes);
}

/** Milliseconds in which a process becomes what it stays: a shell that is replaced by its program, a title that it sets. */
const YOUNG_MS = 10_000;
/** An older one may still give itself another title: it is asked again once in so many looks. */
const LOOKS_PER_LINE = 12;

/** By /proc (proc(5)). Calls at the same time share one look, since each goes over all processes. */
export class LinuxFinder implements ProcessFinder {
  readonly #source: Snapshot;
  readonly #now: () => number;
  /** As of the last look. */
  #seen: ReadonlyMap<number, Remembered> = new Map();
  #looks = 0;
  #processes: Promise<ReadonlyMap<number, SeenProcess>> | null = null;
  #withLines: Promise<WithLines> | null = null;

  /** `now`: milliseconds since the epoch. */
  constructor(processes: Snapshot, now: () => number = Date.now) {
    this.#source = processes;
    this.#now = now;
  }

  processes(): Promise<ReadonlyMap<number, SeenProcess>> {
    this.#processes ??= this.#source.snapshot().finally(() => (this.#processes = null));
    return this.#processes;
  }

  withCommandLines(): Promise<WithLines> {
    this.#withLines ??= this.#readLines().finally(() => (this.#withLines = null));
    return this.#withLines;
  }

  async listenersOn(port: number, likely: readonly number[]): Promise<{ pids: number[]; hidden: boolean }> {
    const first = await holdersOf(port, likely, () => this.processes());
    if (first.open.size === 0) return { pids: first.pids, hidden: false };
    // Whoever is starting or ending at this moment is not hidden: that takes a socket that nobody holds twice.
    const second = await holdersOf(port, likely, () => this.#source.snapshot());
    return { pids: second.pids, hidden: [...second.open].some((inode) => first.open.has(inode)) };
  }

  async #readLines(): Promise<WithLines> {
    const all = [...(await this.#source.snapshot()).values()];
    const [nowMs, turn] = [this.#now(), (this.#looks += 1)];
    // Of one that is stuck with its memory locked, as behind a dead NFS server, the read would last as long as that. One
    // that is not known yet is read all the same: a shell that starts a program is stuck for an instant each time.
    const knownLine = ({ pid, start, isStuck }: ProcessFacts): string | null => {
      const before = this.#seen.get(pid);
      if (before?.start !== start) return null;
      return isStuck || (before.isSettled && (turn + pid) % LOOKS_PER_LINE !== 0) ? before.commandLine : null;
    };
    const looked = all.map((found): Remembered =>
      ({ ...found, commandLine: knownLine(found), isSettled: !found.isStuck && nowMs - found.startedAtMs > YOUNG_MS }));
    await eachOf(looked.filter(({ commandLine }) => commandLine === null), async (one) => {
      const text = await readCommandLine(one.pid).catch(() => ''); // gone, hidden, or no descriptor to be had
      one.commandLine = text.replace(/\0+$/, '').replaceAll('\0', ' ') || null;
    });
    this.#seen = new Map(looked.map((one) => [one.pid, one]));
    return this.#seen;
  }
}

/** Who holds the sockets that listen on a port, and those of them that nobody does. */
async function holdersOf(
  port: number,
  likely: readonly number[],
  everybody: () => Promise<ReadonlyMap<number, unknown>>,
): Promise<{ pids: number[]; open: Set<string> }> {
  const inodes = (await listeningBeside(process.pid)).filter((socket) => socket.port === port).map(({ inode }) => inode);
  const open = new Set(inodes);
  const pids = new Set<number>();
  const look = async (pid: number): Promise<void> => {
    const own = await socketsOf(pid);
    const held = inodes.filter((inode) => own.has(inode));
    if (held.length > 0) pids.add(pid);
    for (const inode of held) open.delete(inode);
  };
  for (const pid of likely) await look(pid);
  if (open.size > 0) await eachOf([...(await everybody()).keys()], look);
  return { pids: [...pids], open };
}

async function eachOf<T, R>(all: readonly T[], read: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < all.length; at += READS_AT_ONCE) {
    results.push(...(await Promise.all(all.slice(at, at + READS_AT_ONCE).map(read))));
  }
  return results;
}

/** By ps(1) and lsof(8), for macOS and the BSDs. */
export class PsFinder implements ProcessFinder {
  readonly #source: Snapshot;

  constructor(processes: Snapshot) {
    this.#source = processes;
  }

  processes(): Promise<ReadonlyMap<number, SeenProcess>> {
    return this.#source.snapshot();
  }

  async withCommandLines(): Promise<WithLines> {
    const all = await this.processes();
    // ww: however long they are.
    const lines = parseCommandLines(await output('ps', '-A', '-ww', '-o', 'pid=,args='));
    return new Map([...all].map(([pid, found]) => [pid, { ...found, commandLine: lines.get(pid) ?? null }]));
  }

  /** What lsof does not see, it does not tell of: `hidden` is never known. */
  async listenersOn(port: number): Promise<{ pids: number[]; hidden: boolean }> {
    return { pids: parsePids(await output('lsof', '-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-t')), hidden: false };
  }
}

/** By Win32_Process, whose looks have the command lines in them, and Get-NetTCPConnection. */
export class WindowsFinder implements ProcessFinder {
  readonly #source: Snapshot;
  readonly #run: RunScript;

  constructor(processes: Snapshot, run: RunScript = runPowershell) {
    this.#source = processes;
    this.#run = run;
  }

  processes(): Promise<ReadonlyMap<number, SeenProcess>> {
    return this.#source.snapshot();
  }

  async withCommandLines(): Promise<WithLines> {
    const all = await this.#source.snapshot();
    return new Map([...all].map(([pid, found]) => [pid, { ...found, commandLine: found.commandLine ?? null }]));
  }

  /** Windows names the owner of every socket: nobody is hidden. */
  async listenersOn(port: number): Promise<{ pids: number[]; hidden: boolean }> {
    // Asked for this port alone, it would fail where nobody listens. https://learn.microsoft.com/powershell/module/nettcpip
    const query = 'Get-NetTCPConnection -State Listen | Where-Object LocalPort -eq';
    return { pids: parsePids(await this.#run(`${query} ${port} | ForEach-Object OwningProcess`)), hidden: false };
  }
}

/** One process a line: `pid args`. */
export function parseCommandLines(text: string): Map<number, string> {
  return new Map([...text.matchAll(/^\s*(\d+) (.*\S)\s*$/gm)].map(([, pid, line]) => [Number(pid), line!]));
}

/** lsof -t, and PowerShell: one pid a line. */
export function parsePids(text: string): number[] {
  return [...new Set([...text.matchAll(/^(\d+)$/gm)].map(([, pid]) => Number(pid)))];
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, {
    env: { ...process.env, LC_ALL: 'C' },
    maxBuffer: 64 * 2 ** 20,
  }).catch((error: Error & { code?: number | string; stderr?: string }) => {
    if (error.code === 1 && !error.stderr) return { stdout: '' }; // nothing found
    throw error;
  });
  return stdout;
}
