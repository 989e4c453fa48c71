/** How many descriptors a process has, and whose doing they are. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** proc_pid_net(5), column "st": TCP_ESTABLISHED of include/net/tcp_states.h. */
const ESTABLISHED = '01';

/**
 * Without connections that stand: who has opened those keeps them, as Alertmanager does for each notification that it
 * has ever sent at the same time as others. A connection that the other end has closed is the process's own again.
 */
export function ownDescriptors(pid: number): number {
  const standing = new Set(['tcp', 'tcp6'].flatMap((name) => establishedIn(readFileSync(`/proc/${pid}/net/${name}`, 'latin1'))));
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => !standing.has(targetOf(`/proc/${pid}/fd/${fd}`))).length;
}

/** As the links in /proc/PID/fd name them. */
function establishedIn(table: string): string[] {
  const rows = table.split('\n').slice(1).map((line) => line.trim().split(/\s+/));
  return rows.filter((columns) => columns[3] === ESTABLISHED).map((columns) => `socket:[${columns[9]}]`);
}

/** Empty for one that has been closed meanwhile, as the one with which the folder was read, in a look at oneself. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
