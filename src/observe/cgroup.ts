/** What bounds the memory of a process: its control group and those around it, of both versions (Linux: cgroups(7)). */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface MemoryCgroup {
  version: 1 | 2;
  mount: string;
  folder: string;
  /** Limit and usage. */
  files: [string, string];
}

/** Pure: of /proc/PID/cgroup. Version 1 goes first, since a hybrid system lists its empty version 2 too. */
export function memoryCgroup(text: string, mount: string): MemoryCgroup | null {
  const lines = text.split('\n').map(lineOf);
  const v1 = lines.find((match) => match?.[1]?.split(',').includes('memory'));
  if (v1) {
    const ofMemory = join(mount, 'memory');
    const files: MemoryCgroup['files'] = ['memory.limit_in_bytes', 'memory.usage_in_bytes'];
    return { version: 1, mount: ofMemory, folder: join(ofMemory, v1[2]!), files };
  }
  const v2 = lines.find((match) => match?.[1] === '');
  return v2 ? { version: 2, mount, folder: join(mount, v2[2]!), files: ['memory.max', 'memory.current'] } : null;
}

const lineOf = (line: string): RegExpExecArray | null => /^\d+:([^:]*):(\/.*)$/.exec(line);

/** The folder and those around it, up to the mount. */
export function cgroupFolders({ mount, folder }: MemoryCgroup): string[] {
  const folders: string[] = [];
  for (let at = folder; at.startsWith(mount); at = dirname(at)) folders.push(at);
  return folders;
}

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

/** Infinity for `max`; null without such a file, as at the root, or where a container does not see its own path. */
async function readBytes(path: string): Promise<number | null> {
  const text = (await readFile(path, 'latin1').catch(() => '')).trim();
  return text === '' ? null : text === 'max' ? Infinity : Number(text);
}
