/** What a process costs, looked at from outside. Linux: it reads /proc. */
import { readFileSync, readdirSync } from 'node:fs';

/**
 * Milliseconds of CPU that all its present threads have used, to the nanosecond: the first field of
 * /proc/PID/task/TID/schedstat (https://docs.kernel.org/scheduler/sched-stats.html). /proc/PID/stat counts in steps of
 * 10 ms, which an idle process hardly reaches. Threads that have ended are missing; Node's and V8's live as long as it.
 */
export function cpuMs(pid: number): number {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((tid) => {
    const [running = '0'] = readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'latin1').split(' ');
    return Number(running);
  });
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e6;
}

/** Bytes. `pss` counts a page that n processes share as 1/n: what several of the same program really take. */
export interface Memory {
  rss: number;
  pss: number;
  /** Of no file: heap, stacks, buffers. */
  anonymous: number;
}

/** proc_pid_smaps_rollup(5). */
export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  const bytes = (name: string): number => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text);
    if (!found) throw new Error(`no ${name} in smaps_rollup of process ${pid}`);
    return Number(found[1]) * 1024;
  };
  return { rss: bytes('Rss'), pss: bytes('Pss'), anonymous: bytes('Anonymous') };
}
