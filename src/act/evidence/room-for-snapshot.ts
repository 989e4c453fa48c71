/** Linux tells what memory is available; elsewhere it is what is free, which is less. */
import { readFile, statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import { memoryBounds } from '../../observe/cgroup.js';
import { formatBytes, formatElapsed } from '../../units.js';

/** Bytes. Infinity where nothing bounds it; null where that could not be found out. */
export interface Room {
  machine: number;
  cgroup: number | null;
  disk: number;
}

/** 400 MB of small objects took 5.6 GB; what is larger than that takes less. */
const MEMORY_TIMES = 10;
/** What the file takes of the disk, in the same measure, and as much again as a margin. */
const DISK_TIMES = 4;
/** The same 400 MB took 44 s. */
const BYTES_PER_SECOND = 10e6;

/** Pure: why a heap of so many bytes had better not be written out, in a sentence; null where it may be. */
export function whyNoSnapshot(heapBytes: number, room: Room, leftMs: number): string | null {
  const memory = MEMORY_TIMES * heapBytes;
  const takesMs = (heapBytes / BYTES_PER_SECOND) * 1000;
  const heap = `a heap of ${formatBytes(heapBytes)}`;
  if (room.cgroup === null) return 'how much memory its cgroup has left could not be found out';
  if (room.cgroup < memory) return `${heap} may take ${formatBytes(memory)}, and its cgroup has ${formatBytes(room.cgroup)} left`;
  if (room.machine < memory) return `${heap} may take ${formatBytes(memory)}, and the machine has ${formatBytes(room.machine)} left`;
  const disk = DISK_TIMES * heapBytes;
  if (room.disk < disk) return `${heap} may take ${formatBytes(disk)} of disk space, and ${formatBytes(room.disk)} are left`;
  if (takesMs > leftMs) {
    return `${heap} may take ${formatElapsed(takesMs)}, and evidence.timeout leaves ${formatElapsed(Math.max(0, leftMs))}`;
  }
  return null;
}

export async function roomFor(pid: number, folder: string): Promise<Room> {
  const { bavail, bsize } = await statfs(folder);
  return { machine: await availableMemory(), cgroup: await cgroupRoom(pid), disk: bavail * bsize };
}

async function availableMemory(): Promise<number> {
  const meminfo = await readFile('/proc/meminfo', 'latin1').catch(() => '');
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}

/** The least that is left in the process's cgroup and those around it; Infinity where there is none, as on macOS. */
export async function cgroupRoom(pid: number, root = ''): Promise<number | null> {
  const bounds = await memoryBounds(pid, root);
  return bounds && Math.min(Infinity, ...bounds.map(({ limit, usage }) => Math.max(0, limit - usage)));
}
