import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { memoryCgroup } from './cgroup.js';
import type { KernelLog } from './kernel-log.js';

/** What says that the kernel killed a process for want of memory; one of both is not null. */
export interface OomKill {
  /** The killed one, which the kernel's log names. */
  pid: number | null;
  /** The cgroup that the process was in, whose count of such kills has risen. */
  cgroup: string | null;
}

/** The count of the processes of a cgroup itself that were killed (cgroup-v2.rst, memory.events; v1 memory.rst). */
const FILES = { 1: ['memory.oom_control'], 2: ['memory.events.local', 'memory.events'] } as const;

interface Counter {
  folder: string;
  path: string;
}

/**
 * Keeps an eye on the kernel's out-of-memory killer: on its log where that may be read, since it names the process, and
 * on the counts of the cgroups that the processes are in. A count names nobody, so each rise explains one death, and
 * none where the log names another for it.
 */
export class OomKills {
  readonly #log: Pick<KernelLog, 'victims'>;
  readonly #root: string;
  /** Where each process that lives is counted. */
  #counters = new Map<number, Counter>();
  /** By path: as of the last look, and what has been explained since. */
  #counts = new Map<string, number>();
  /** Since the last look, and in the one before: a process that is being killed may still be seen. */
  #victims: number[] | null = null;
  #victimsBefore: number[] = [];

  /** `root` stands before /proc and /sys. */
  constructor(log: Pick<KernelLog, 'victims'>, root = '') {
    this.#log = log;
    this.#root = root;
  }

  /** Once a round, after all deaths in it: the roots of the workers that live. */
  async look(pids: readonly number[]): Promise<void> {
    const counters = await Promise.all(pids.map(async (pid) => [pid, await this.#counterOf(pid)] as const));
    this.#counters = new Map(counters.flatMap(([pid, counter]) => (counter ? [[pid, counter]] : [])));
    const paths = [...new Set([...this.#counters.values()].map(({ path }) => path))];
    const counts = await Promise.all(paths.map(async (path) => [path, await readCount(path)] as const));
    this.#counts = new Map(counts.flatMap(([path, count]) => (count === null ? [] : [[path, count]])));
    this.#victimsBefore = this.#victims ?? [];
    this.#victims = this.#log.victims();
  }

  /** Whether the kernel killed a worker's process, or one of its tree, that lived at the last look; its root first. */
  async of(tree: readonly number[]): Promise<OomKill | null> {
    this.#victims = this.#log.victims()?.concat(this.#victims ?? []) ?? null;
    const named = [...this.#victimsBefore, ...(this.#victims ?? [])];
    const pid = tree.find((member) => named.includes(member)) ?? null;
    const cgroup = await this.#explains(tree[0]);
    if (pid !== null) return { pid, cgroup };
    return cgroup !== null && named.length === 0 ? { pid, cgroup } : null;
  }

  async #explains(pid: number | undefined): Promise<string | null> {
    const counter = pid === undefined ? undefined : this.#counters.get(pid);
    const known = counter && this.#counts.get(counter.path);
    if (!counter || known === undefined) return null;
    const now = await readCount(counter.path);
    if (now === null || now <= known) return null;
    this.#counts.set(counter.path, known + 1);
    return counter.folder;
  }

  async #counterOf(pid: number): Promise<Counter | null> {
    const text = await readFile(`${this.#root}/proc/${pid}/cgroup`, 'latin1').catch(() => '');
    const place = memoryCgroup(text, `${this.#root}/sys/fs/cgroup`);
    for (const file of place ? FILES[place.version] : []) {
      const path = join(place!.folder, file);
      if ((await readCount(path)) !== null) return { folder: place!.folder, path };
    }
    return null;
  }
}

/** null where there is no such file, as at the root of version 2, or it does not count kills (before Linux 4.13). */
async function readCount(path: string): Promise<number | null> {
  const text = await readFile(path, 'latin1').catch(() => '');
  const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
  return count === undefined ? null : Number(count);
}
