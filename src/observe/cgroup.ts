import { join } from 'node:path';

/** The cgroup that counts a process's memory. */
export interface MemoryCgroup {
  version: 1 | 2;
  mount: string;
  folder: string;
}

/** Pure: of /proc/PID/cgroup (cgroups(7)). Version 1 goes first, since a hybrid system lists its empty version 2 too. */
export function memoryCgroup(text: string, mount: string): MemoryCgroup | null {
  const lines = text.split('\n').map((line) => /^\d+:([^:]*):(\/.*)$/.exec(line));
  const v1 = lines.find((match) => match?.[1]?.split(',').includes('memory'));
  if (v1) return { version: 1, mount: join(mount, 'memory'), folder: join(mount, 'memory', v1[2]!) };
  const v2 = lines.find((match) => match?.[1] === '');
  return v2 ? { version: 2, mount, folder: join(mount, v2[2]!) } : null;
}
