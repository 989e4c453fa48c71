/** CPU time of a process, from outside. Linux: it reads /proc. */
import { readFileSync, readdirSync } from 'node:fs';

/**
 * User and system time of all its threads that live, in milliseconds: the first field of each thread's schedstat, in
 * nanoseconds (https://docs.kernel.org/scheduler/sched-stats.html), where /proc/PID/stat counts hundredths of a second.
 * Threads that have ended are not in it; neither Node.js nor Go ends threads in the course of its work.
 */
export function cpuMsOf(pid: number): number {
  const folder = `/proc/${pid}/task`;
  return readdirSync(folder).reduce((sum, thread) => sum + Number(readFileSync(`${folder}/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e6, 0);
}
