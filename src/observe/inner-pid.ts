/**
 * Linux. A process in a container calls itself by another pid than the machine outside does: often all of them by 1.
 * Which one it is from here, the kernel tells: NSpid in /proc/PID/status (proc_pid_status(5)) lists a process's pids
 * from our namespace to its own, and a start time in clock ticks since boot is the same inside and outside.
 */
import { readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { HelloFrame } from '../agent/protocol.cjs';
import { parseProcStat } from './linux.js';

const READS_AT_ONCE = 16;

export type Stranger = Required<Pick<HelloFrame, 'pid' | 'pid_namespace' | 'start'>>;

/** The pid namespace of this process, as a HelloFrame has it; null where the system has none. */
export async function ownPidNamespace(proc = '/proc'): Promise<number | null> {
  return pidNamespace('self', proc);
}

/**
 * Pids by which this process may be the one that says so of itself: none where it cannot be seen from here, several
 * where nothing tells them apart. That takes two containers that were started within a hundredth of a second, and a
 * warden that may not read their namespaces, not being root nor their user.
 */
export async function pidsFromOutside({ pid, pid_namespace, start }: Stranger, proc = '/proc'): Promise<number[]> {
  const found: number[] = [];
  const pids = (await readdir(proc)).filter((name) => /^\d+$/.test(name));
  for (let at = 0; at < pids.length; at += READS_AT_ONCE) {
    const mayBe = async (candidate: string): Promise<boolean> => {
      const status = await readText(join(proc, candidate, 'status'));
      const inner = /^NSpid:((?:\s+\d+){2,})$/m.exec(status)?.[1]?.trim().split(/\s+/).at(-1);
      if (inner === undefined || Number(inner) !== pid) return false;
      if (parseProcStat(await readText(join(proc, candidate, 'stat')))?.start !== start) return false;
      const namespace = await pidNamespace(candidate, proc);
      return namespace === null || namespace === pid_namespace;
    };
    const some = pids.slice(at, at + READS_AT_ONCE);
    const answers = await Promise.all(some.map(mayBe));
    found.push(...some.filter((_, i) => answers[i]).map(Number));
  }
  return found;
}

/** When a process started, as a HelloFrame has it; null where the system does not tell. */
export async function startOf(pid: number, proc = '/proc'): Promise<number | null> {
  return parseProcStat(await readText(join(proc, String(pid), 'stat')))?.start ?? null;
}

/** Null where it may not be read: it takes the right to trace the process (ptrace(2)). */
async function pidNamespace(who: string, proc: string): Promise<number | null> {
  const link = await readlink(join(proc, who, 'ns', 'pid')).catch(() => '');
  const inode = /^pid:\[(\d+)\]$/.exec(link)?.[1];
  return inode === undefined ? null : Number(inode);
}

const readText = (path: string): Promise<string> => readFile(path, 'latin1').catch(() => '');
