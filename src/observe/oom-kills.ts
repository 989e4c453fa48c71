/** Linux: whom the kernel has killed for want of memory. Elsewhere nobody is known to have been. */
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

/** A process is put into its cgroup as it starts, and hardly ever into another: that is asked once in so many looks. */
const LOOKS_PER_PLACE = 60;
/** Nothing counts there yet, or it could not be read just then. */
const LOOKS_PER_NOWHERE = 12;
/** By pid: where each process is counted; null where nothing counts it. */
type Counters = ReadonlyMap<number, Counter | null>;

/**
 * Keeps an eye on the kernel's out-of-memory killer: on its log where that may be read, since it names the process, and
 * on the counts of the cgroups that the processes are in. A count names nobody, so each rise explains one death, and
 * none where the log names another for it.
 */
export class OomKills {
  readonly #log: Pick<KernelLog, 'victims'>;
  readonly #root: string;
  // All of it as of the last look and the one before: one that is being killed may still be seen, or told of late.
  #counters: Counters = new Map();
  #countersBefore: Counters = new Map();
  /** By path; what a rise has explained is added to both. */
  #counts = new Map<string, { before: number; now: number }>();
  #looks = 0;
  #victims: number[] = [];
  #victimsBefore: number[] = [];

  /** `root` stands before /proc and /sys. */
  constructor(log: Pick<KernelLog, 'victims'>, root = '') {
    this.#log = log;
    this.#root = root;
  }

  /** Once a round, after all deaths in it: the roots of the workers that live. */
  async look(pids: readonly number[]): Promise<void> {
    this.#looks += 1;
    const files = new Map<string, Promise<Counter | null>>();
    const counters = new Map<number, Counter | null>();
    const toAsk: number[] = [];
    for (const pid of pids) {
      const known = this.#counters.get(pid);
      const every = known === null ? LOOKS_PER_NOWHERE : LOOKS_PER_PLACE;
      if (known !== undefined && (this.#looks + pid) % every !== 0) counters.set(pid, known);
      else toAsk.push(pid);
    }
    await Promise.all(toAsk.map(async (pid) => counters.set(pid, await this.#counterOf(pid, files))));
    this.#countersBefore = this.#counters;
    this.#counters = counters;
    const paths = new Set<string>();
    for (const known of [this.#countersBefore, this.#counters]) {
      for (const counter of known.values()) if (counter) paths.add(counter.path);
    }
    const counts = await Promise.all([...paths].map(async (path) => [path, await readCount(path)] as const));
    const withBefore = (path: string, now: number) => ({ before: this.#counts.get(path)?.now ?? now, now });
    this.#counts = new Map(counts.flatMap(([path, now]) => (now === null ? [] : [[path, withBefore(path, now)]])));
    this.#victimsBefore = this.#victims;
    this.#victims = this.#log.victims() ?? [];
  }

  /** Whether the kernel killed a worker's process, or one of its tree, that has ended since the last look; its root first. */
  async of(tree: readonly number[]): Promise<OomKill | null> {
    this.#victims.push(...(this.#log.victims() ?? []));
    const named = [...this.#victimsBefore, ...this.#victims];
    const pid = tree.find((member) => named.includes(member)) ?? null;
    if (pid === null && named.length > 0) return null;
    const cgroup = await this.#explains(tree[0]);
    return pid === null && cgroup === null ? null : { pid, cgroup };
  }

  async #explains(pid: number | undefined): Promise<string | null> {
    const counter = pid === undefined ? undefined : (this.#counters.get(pid) ?? this.#countersBefore.get(pid));
    const counts = counter && this.#counts.get(counter.path);
    if (!counter || !counts) return null;
    const now = await readCount(counter.path);
    if (now === null || now <= counts.before) return null;
    this.#counts.set(counter.path, { before: counts.before + 1, now: counts.now + 1 });
    return counter.folder;
  }

  /** `files`: what has been found in this look already, by folder; a fleet shares few. */
  async #counterOf(pid: number, files: Map<string, Promise<Counter | null>>): Promise<Counter | null> {
    const text = await readFile(`${this.#root}/proc/${pid}/cgroup`, 'latin1').catch(() => '');
    const place = memoryCgroup(text, `${this.#root}/sys/fs/cgroup`);
    if (!place) return null;
    const found = files.get(place.folder) ?? counterIn(place);
    files.set(place.folder, found);
    return found;
  }
}

async function counterIn({ version, folder }: NonNullable<ReturnType<typeof memoryCgroup>>): Promise<Counter | null> {
  for (const file of FILES[version]) {
    const path = join(folder, file);
    if ((await readCount(path)) !== null) return { folder, path };
  }
  return null;
}

/** null where there is no such file, as at the root of version 2, or it does not count kills (before Linux 4.13). */
async function readCount(path: string): Promise<number | null> {
  const text = await readFile(path, 'latin1').catch(() => '');
  const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
  return count === undefined ? null : Number(count);
}
