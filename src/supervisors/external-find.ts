/** Which processes are an external app's. */
import { open } from 'node:fs/promises';
import type { ExternalConfig } from '../config/schema.js';
import { HeapwardenError } from '../errors.js';
import { formatElapsed } from '../units.js';
import type { ProcessFinder, ProcessId, SeenProcess } from './contract.js';

/**
 * A pid file is written after the process has started. Between the two clocks that are compared, the file system's and
 * that which start times are told by, lie hundredths of a second on Linux, and up to a second where ps(1) tells.
 */
const MTIME_ERROR_MS = 2000;

export interface Found {
  /** A process each worker, oldest first. */
  roots: SeenProcess[];
  /** Why there is none, where that is more than that it does not run. */
  note: string | null;
}

type Processes = ReadonlyMap<number, SeenProcess>;

/**
 * Processes are always read before what tells whose they are: where a pid changes hands in between, what is found is a
 * process that has gone, and not one that is somebody else's. `known` were found to be the app's before, `ownPid` is
 * heapwarden's. Throws HeapwardenError SUPERVISOR_UNREACHABLE where it cannot be told.
 */
export async function findExternal(
  { pid_file, port, match }: ExternalConfig,
  finder: ProcessFinder,
  known: readonly ProcessId[],
  ownPid: number,
): Promise<Found> {
  if (pid_file !== undefined) return byPidFile(pid_file, finder, known, ownPid);
  if (port !== undefined) return byPort(port, finder, known, ownPid);
  const all = await finder.withCommandLines();
  const pattern = new RegExp(match ?? '(?!)');
  const above = new Set(lineOf(ownPid, all));
  const isOwn = (pid: number) => above.has(pid) || hasAbove(pid, all, (other) => other === ownPid);
  const matching = [...all.values()].filter(({ pid, commandLine }) => commandLine !== null && pattern.test(commandLine) && !isOwn(pid));
  return { roots: rootsAmong(matching, all), note: null };
}

async function byPidFile(
  path: string,
  finder: ProcessFinder,
  known: readonly ProcessId[],
  ownPid: number,
): Promise<Found> {
  const written = await readPid(path);
  if (!written) return { roots: [], note: null };
  const { pid, writtenAtMs } = written;
  const all = await finder.processes();
  if (isNobodys(pid, ownPid, all)) throw unreachable(`${path} names process ${pid}: that is init, heapwarden itself, or what runs it`);
  const found = all.get(pid);
  const stale = `${path} is stale: `;
  if (!found) return { roots: [], note: `${stale}it names process ${pid}, and there is none` };
  // Set forward, the system's clock takes a process's start time along, told from the boot on, and no file's.
  const isKnown = known.some((one) => one.pid === pid && one.start === found.start);
  const younger = found.startedAtMs - writtenAtMs;
  if (isKnown || younger <= MTIME_ERROR_MS) return { roots: [found], note: null };
  const why = `process ${pid} started ${formatElapsed(younger)} after it was written, so that the pid is another program's by now`;
  return { roots: [], note: `${stale}${why}. If it is the app's after all, write the file anew` };
}

/** null where there is no such file, or it is empty: the app does not run. */
async function readPid(path: string): Promise<{ pid: number; writtenAtMs: number } | null> {
  let text: string;
  let writtenAtMs: number;
  try {
    const file = await open(path);
    try {
      writtenAtMs = (await file.stat()).mtimeMs;
      text = await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw unreachable(`${path} cannot be read: ${message}`);
  }
  if (text.trim() === '') return null;
  // Some write more lines: PostgreSQL's second one is a folder.
  const pid = /^\s*([1-9]\d{0,9})\s*(?:\n|$)/.exec(text)?.[1];
  if (pid === undefined) throw unreachable(`${path} does not begin with the pid of a process`);
  return { pid: Number(pid), writtenAtMs };
}

async function byPort(
  port: number,
  finder: ProcessFinder,
  known: readonly ProcessId[],
  ownPid: number,
): Promise<Found> {
  const all = await finder.processes();
  const { pids, hidden } = await finder.listenersOn(port, known.map(({ pid }) => pid));
  // A socket that systemd opens for a service is held by both.
  const holders = pids.flatMap((pid) => all.get(pid) ?? []).filter(({ pid }) => !isNobodys(pid, ownPid, all));
  if (holders.length === 0 && hidden) {
    throw unreachable(`heapwarden may not see which process listens on port ${port}; run it as that user, or as root`);
  }
  return { roots: rootsAmong(holders, all), note: null };
}

/** Nobody's app: init, heapwarden, and whatever runs that. */
function isNobodys(pid: number, ownPid: number, all: Processes): boolean {
  return pid === 1 || hasAbove(ownPid, all, (other) => other === pid);
}

/** Those without one of the others above them, oldest first: a cluster with its workers, or a wrapper with its server, is one. */
export function rootsAmong(some: readonly SeenProcess[], all: Processes): SeenProcess[] {
  const pids = new Set(some.map(({ pid }) => pid));
  const isBelowAnother = ({ pid, parent }: SeenProcess) => hasAbove(parent, all, (above) => above !== pid && pids.has(above));
  return some.filter((found) => !isBelowAnother(found)).toSorted((a, b) => a.startedAtMs - b.startedAtMs || a.pid - b.pid);
}

/** The process itself and all above it. Not all are read at one moment, so that a reused pid can close a circle: it ends. */
function* lineOf(pid: number, all: Processes): Generator<number> {
  let steps = 0;
  for (let at: number | undefined = pid; at !== undefined && at > 0 && steps <= all.size; at = all.get(at)?.parent, steps++) yield at;
}

/** Whether it is so of the process itself, or of one above it. */
function hasAbove(pid: number, all: Processes, isIt: (above: number) => boolean): boolean {
  for (const above of lineOf(pid, all)) if (isIt(above)) return true;
  return false;
}

function unreachable(why: string): HeapwardenError {
  return new HeapwardenError('SUPERVISOR_UNREACHABLE', why);
}
