/** Linux: proc(5). Elsewhere there are no threads to tell of. */
import { readFile, readdir } from 'node:fs/promises';
import { parseProcStat } from '../../observe/linux.js';
import { printable } from '../../printable.js';

/** What one thread did between two looks. */
export interface ThreadUse {
  id: number;
  name: string;
  /** One letter: proc_pid_stat(5). */
  state: string;
  cpuMs: number;
  overMs: number;
}

interface Look {
  atMs: number;
  byId: Map<number, { name: string; state: string; cpu: number }>;
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const MS_PER_TICK = 10;
const MOST = 64;

/** The kernel's view of a process's threads; null where there is none, as elsewhere than on Linux. */
export class Threads {
  readonly #pid: number;
  readonly #first: Promise<Look | null>;

  /** Begins to look. */
  constructor(pid: number) {
    this.#pid = pid;
    this.#first = lookAt(pid);
  }

  /** Since it was made; the main thread first, then the busiest. */
  async use(): Promise<ThreadUse[] | null> {
    const [before, after] = [await this.#first, await lookAt(this.#pid)];
    if (!before || !after) return null;
    const overMs = after.atMs - before.atMs;
    const uses = [...after.byId].map(([id, { name, state, cpu }]) => {
      return { id, name, state, cpuMs: (cpu - (before.byId.get(id)?.cpu ?? cpu)) * MS_PER_TICK, overMs };
    });
    const isMain = ({ id }: ThreadUse): number => Number(id === this.#pid);
    return uses.toSorted((a, b) => isMain(b) - isMain(a) || b.cpuMs - a.cpuMs || a.id - b.id);
  }
}

async function lookAt(pid: number): Promise<Look | null> {
  const ids = await readdir(`/proc/${pid}/task`).catch(() => null);
  if (!ids) return null;
  const byId: Look['byId'] = new Map();
  for (const id of ids.slice(0, MOST)) {
    const [text, name] = await Promise.all(['stat', 'comm'].map((file) => readFile(`/proc/${pid}/task/${id}/${file}`, 'latin1').catch(() => '')));
    const stat = parseProcStat(text!);
    if (stat) byId.set(Number(id), { name: printable(name!.trim()), state: stat.state, cpu: stat.cpu });
  }
  return { atMs: performance.now(), byId };
}
