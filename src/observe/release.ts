import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { commandLineOf } from './command-line.js';
import type { WorkerState } from './tracker.js';

/** Files of the working directory that a deployment changes: the package's own, and the build of Next.js. */
const MARKS = ['package.json', '.next/BUILD_ID'];

/**
 * A fingerprint of what a worker runs, as it would be started now: the command lines of its process and of the one its
 * agent speaks for, their working directories, and size and mtime of the files they name. From /proc (proc(5)); null
 * where that is not to be had, as on other systems or for another user's process.
 */
export async function releaseOf({ reading, agent }: WorkerState): Promise<string | null> {
  const pids = new Set([reading?.root.pid, agent?.pid].filter((pid) => pid !== undefined));
  const parts = await Promise.all([...pids].map(partsOf)).catch(() => null);
  if (parts === null || parts.length === 0) return null;
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

async function partsOf(pid: number): Promise<unknown> {
  const { cwd, words } = await commandLineOf(pid);
  const files = [...words.map((word) => resolve(cwd, word)), ...MARKS.map((mark) => join(cwd, mark))];
  const marks = await Promise.all(files.map(markOf));
  return { cwd, words, marks };
}

/** The path itself is resolved: a deployment may do no more than turn a link to another folder. */
async function markOf(path: string): Promise<unknown> {
  try {
    const { size, mtimeMs } = await stat(path);
    return [await realpath(path), size, mtimeMs];
  } catch {
    return null; // a word that is no file
  }
}
