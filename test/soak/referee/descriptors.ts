/** How many descriptors a process has, and whose doing they are. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

/** proc_pid_net(5), column "st": TCP_ESTABLISHED of include/net/tcp_states.h. */
const ESTABLISHED = '01';

/** Connections that Prometheus and Alertmanager may keep between them; more of them are somebody's leak. */
const MOST_KEPT = 100;

/**
 * Without connections that stand, up to MOST_KEPT: who has opened those keeps them, as Alertmanager does for each
 * notification that it has ever sent at the same time as others. One that the other end has closed is the process's own
 * again.
 */
export function ownDescriptors(pid: number, mostKept = MOST_KEPT): number {
  const standing = new Set(['tcp', 'tcp6'].flatMap((name) => establishedIn(readFileSync(`/proc/${pid}/net/${name}`, 'latin1'))));
  const all = readdirSync(`/proc/${pid}/fd`);
  const kept = all.filter((fd) => standing.has(targetOf(`/proc/${pid}/fd/${fd}`))).length;
  return all.length - Math.min(kept, mostKept);
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
