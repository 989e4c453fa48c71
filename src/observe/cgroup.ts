/** What bounds the memory of a process: its control group and those around it, of both versions (Linux: cgroups(7)). */
import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface MemoryCgroup {
  version: 1 | 2;
  mount: string;
  /** As /proc/PID/cgroup has it: from the root of our own cgroup namespace, `/..` above it (cgroup_namespaces(7)). */
  path: string;
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
    return { version: 1, mount: ofMemory, path: v1[2]!, folder: join(ofMemory, v1[2]!), files };
  }
  const v2 = lines.find((match) => match?.[1] === '');
  if (!v2) return null;
  return { version: 2, mount, path: v2[2]!, folder: join(mount, v2[2]!), files: ['memory.max', 'memory.current'] };
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

/** From the process's own cgroup outwards; empty where nothing bounds it, as on macOS; null where nobody can tell. */
export async function memoryBounds(pid: number, root = ''): Promise<MemoryBound[] | null> {
  const text = await readCgroup(pid, root);
  if (text === null) return process.platform === 'linux' ? null : [];
  const place = memoryCgroup(text, `${root}/sys/fs/cgroup`);
  if (!place) return [];
  const isShown = await isThere(place);
  // In a container of version 1, heapwarden's own is not found by its name: it is the root of what is mounted there.
  if (!isShown && text !== (await readCgroup(process.pid, root))) return null;
  const bounds: MemoryBound[] = [];
  for (const folder of cgroupFolders(place)) {
    const [limit = null, usage = null] = await Promise.all(place.files.map((file) => readBytes(join(folder, file))));
    if (limit !== null && usage !== null) bounds.push({ file: join(folder, place.files[0]), limit, usage });
  }
  return isShown || bounds.length > 0 ? bounds : null;
}

/** Whether what is mounted here has it; another container's it has not. */
async function isThere({ path, folder }: MemoryCgroup): Promise<boolean> {
  if (path === '/') return true;
  return !/^\/\.\.(\/|$)/.test(path) && access(folder).then(() => true, () => false);
}

/** /proc/PID/cgroup; null where the process has gone or may not be looked at. */
export function readCgroup(pid: number, root = ''): Promise<string | null> {
  return readFile(`${root}/proc/${pid}/cgroup`, 'latin1').catch(() => null);
}

/** Infinity for `max`; null without such a file, as at the root, or where memory is not controlled at that level. */
async function readBytes(path: string): Promise<number | null> {
  const text = (await readFile(path, 'latin1').catch(() => '')).trim();
  return text === '' ? null : text === 'max' ? Infinity : Number(text);
}
