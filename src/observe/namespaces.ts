/** Linux: namespaces(7), by which a process in a container is told from one beside us. */
import { readlink } from 'node:fs/promises';

type Who = number | 'self';

/** Whether a process sees the mounts, the network or the pids that `other` does; false where that may not be read. */
export async function sharesNamespace(pid: number, kind: 'mnt' | 'net' | 'pid', other: Who = 'self'): Promise<boolean> {
  const of = (who: Who) => readlink(`/proc/${who}/ns/${kind}`).catch(() => null);
  const [ours, theirs] = await Promise.all([of(other), of(pid)]);
  return ours !== null && ours === theirs;
}
