import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import type { Clock } from '../clock.js';
import { BoundedLooks } from '../supervisors/bounded-looks.js';
import { commandLineOf } from './command-line.js';
import type { WorkerState } from './tracker.js';

/** Files of the working directory that a deployment changes: the package's own, and the build of Next.js. */
const MARKS = ['package.json', '.next/BUILD_ID'];
const SCRIPT = /^(\.[cm]?[jt]sx?)?$/;
const ANYBODY_EXECUTES = 0o111;

/**
 * A fingerprint of what a worker runs, as it would be started now: the command lines of its process and of the one its
 * agent speaks for, their working directories, and size and mtime of the programs they name. From /proc (proc(5)); null
 * where that is not to be had, as on other systems or for another user's process.
 */
export async function releaseOf({ reading, agent }: WorkerState): Promise<string | null> {
  if (!reading) return null;
  const pids = [reading.root.pid, ...(agent && agent.pid !== reading.root.pid ? [agent.pid] : [])];
  const parts = await Promise.all(pids.map(partsOf)).catch(() => null);
  return parts && parts.flatMap(({ command, marks }) => [hashOf(command), hashOf(marks)]).join('.');
}

/** The same within bounds: null also where a process, or the disk that its files are on, hangs. */
export function releaseReader(clock: Pick<Clock, 'sleep'>, read = releaseOf): typeof releaseOf {
  const looks = new BoundedLooks(clock);
  return (worker) => looks.take(() => read(worker)).catch(() => null);
}

/**
 * Whether two fingerprints are of two releases. The agent that speaks for a worker comes after its process, and may be
 * another at times: of a process that only one of the two knows, nothing can be told.
 */
export function isAnotherRelease(was: string, is: string): boolean {
  const [root, marks, agent, agentMarks] = was.split('.');
  const [rootNow, marksNow, agentNow, agentMarksNow] = is.split('.');
  if (root !== rootNow || marks !== marksNow) return true;
  return agent !== undefined && agent === agentNow && agentMarks !== agentMarksNow;
}

async function partsOf(pid: number): Promise<{ command: unknown; marks: unknown }> {
  const command = await commandLineOf(pid);
  const { cwd, words } = command;
  const named = words.map((word) => markOf(resolve(cwd, word), isProgram));
  const marks = await Promise.all([...named, ...MARKS.map((mark) => markOf(join(cwd, mark), () => true))]);
  return { command, marks };
}

/** The path itself is resolved: a deployment may do no more than turn a link to another folder. */
async function markOf(path: string, isOfRelease: (path: string, found: Stats) => boolean): Promise<unknown> {
  try {
    const [found, real] = await Promise.all([stat(path), realpath(path)]);
    return isOfRelease(path, found) ? [real, found.size, found.mtimeMs] : [real];
  } catch {
    return null; // a word that is no file
  }
}

/** What is in a folder, or in a file of data, changes with what the app does. */
function isProgram(path: string, found: Stats): boolean {
  return found.isFile() && ((found.mode & ANYBODY_EXECUTES) !== 0 || SCRIPT.test(extname(path)));
}

const hashOf = (what: unknown): string => createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 16);
