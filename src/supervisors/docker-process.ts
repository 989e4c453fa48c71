/** A container's first process, seen from outside. Linux: it reads /proc. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { HeapwardenError } from '../errors.js';
import type { Container } from './docker-container.js';

/** Milliseconds. A process that has just ended, of which Docker has not heard yet, looks like one that is not here. */
const ENDING_MS = 2000;
const POLL_MS = 100;

/**
 * The pid by which heapwarden sees the container's first process; null where there is none, or none any more. Its
 * cgroup bears the container's id, whoever manages cgroups: so a pid of another machine, or of another pid namespace,
 * is not taken for that of a stranger who has the same one here. Throws HeapwardenError SUPERVISOR_UNREACHABLE then.
 * `isCurrent` asks Docker whether the container still has that process.
 */
export async function pidSeenHere(
  { id, name, pid }: Pick<Container, 'id' | 'name' | 'pid'>,
  isCurrent: () => Promise<boolean>,
  clock: Clock,
  proc = '/proc',
): Promise<number | null> {
  if (pid === null) return null;
  const cgroupOf = (): Promise<string> => readFile(join(proc, String(pid), 'cgroup'), 'latin1').catch(() => '');
  for (const deadline = clock.monotonic() + ENDING_MS; ; await clock.sleep(POLL_MS)) {
    const cgroup = await cgroupOf();
    if (cgroup.includes(id)) return pid;
    if (!(await isCurrent())) return null;
    if (clock.monotonic() >= deadline) throw notHere(name, pid, cgroup === '');
  }
}

function notHere(name: string, pid: number, isNobody: boolean): HeapwardenError {
  const found = isNobody ? 'there is none here' : 'the process that has it here is none of that container';
  return new HeapwardenError(
    'SUPERVISOR_UNREACHABLE',
    `Docker says that "${name}" runs as process ${pid}, but ${found}: heapwarden must run on the Linux machine ` +
      'that runs the containers, not behind Docker Desktop or a forwarded socket, and where it runs in a container ' +
      'itself, that one takes pid: host (docker run --pid=host)',
  );
}
