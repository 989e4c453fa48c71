/** What bounds the memory of a process: its control group and those around it, of both versions (Linux: cgroups(7)). */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroupFolders, memoryCgroup, readBytes } from '../supervisors/memory-cgroup.js';

/** Bytes; `limit` is Infinity for version 2's `max`, and a number beyond any memory for version 1's. */
export interface MemoryBound {
  /** The file that holds the limit. */
  file: string;
  limit: number;
  usage: number;
}

/** From the process's own cgroup outwards; empty where it is in none, as on macOS; null where that is not to be had. */
export async function memoryBounds(pid: number, root = ''): Promise<MemoryBound[] | null> {
  const text = await readCgroup(pid, root);
  if (text === null) return process.platform === 'linux' ? null : [];
  const place = memoryCgroup(text, `${root}/sys/fs/cgroup`);
  if (!place) return [];
  const bounds: MemoryBound[] = [];
  for (const folder of cgroupFolders(place)) {
    const [limit = null, usage = null] = await Promise.all(place.files.map((file) => readBytes(join(folder, file))));
    if (limit !== null && usage !== null) bounds.push({ file: join(folder, place.files[0]), limit, usage });
  }
  return bounds;
}

/** /proc/PID/cgroup; null where the process has gone or may not be looked at. */
export function readCgroup(pid: number, root = ''): Promise<string | null> {
  return readFile(`${root}/proc/${pid}/cgroup`, 'latin1').catch(() => null);
}
