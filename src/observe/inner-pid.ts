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

/** A process of a pid namespace below ours, as it is seen from here and in there. */
export interface NestedProcess {
  pid: number;
  innerPid: number;
  /** As a HelloFrame has it. */
  start: number;
  /** null where it may not be read. */
  namespace: number | null;
}

/** All of them: of most processes, which are of our own namespace, no more than their status is read. */
export async function nestedProcesses(proc = '/proc'): Promise<NestedProcess[]> {
  const found: NestedProcess[] = [];
  const pids = (await readdir(proc).catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (let at = 0; at < pids.length; at += READS_AT_ONCE) {
    const some = await Promise.all(pids.slice(at, at + READS_AT_ONCE).map((pid) => nestedProcess(pid, proc)));
    found.push(...some.filter((process) => process !== null));
  }
  return found;
}

/** Null where it is of our own namespace, or has gone. */
async function nestedProcess(pid: string, proc: string): Promise<NestedProcess | null> {
  const status = await readText(join(proc, pid, 'status'));
  const inner = /^NSpid:((?:\s+\d+){2,})$/m.exec(status)?.[1]?.trim().split(/\s+/).at(-1);
  if (inner === undefined) return null;
  const start = await startOf(Number(pid), proc);
  if (start === null) return null;
  return { pid: Number(pid), innerPid: Number(inner), start, namespace: await pidNamespace(pid, proc) };
}

/**
 * Pure: pids by which a process may be the one that says so of itself: none where it cannot be seen from here, several
 * where nothing tells them apart. That takes two containers that were started within a hundredth of a second, and a
 * warden that may not read their namespaces, not being root nor their user.
 */
export function pidsFromOutside(who: Stranger, nested: readonly NestedProcess[]): number[] {
  return nested
    .filter(({ innerPid, start }) => innerPid === who.pid && start === who.start)
    .filter(({ namespace }) => namespace === null || namespace === who.pid_namespace)
    .map(({ pid }) => pid);
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
