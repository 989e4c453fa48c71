/** Linux: namespaces(7), by which a process in a container is told from one beside us. */
import { readlink } from 'node:fs/promises';

/** Whether a process sees the mounts, the network or the pids that this one does; false where that may not be read. */
export async function sharesNamespace(pid: number, kind: 'mnt' | 'net' | 'pid'): Promise<boolean> {
  const of = (who: number | 'self') => readlink(`/proc/${who}/ns/${kind}`).catch(() => null);
  const [ours, theirs] = await Promise.all([of('self'), of(pid)]);
  return ours !== null && ours === theirs;
}
