import pidusage from 'pidusage';
import type { ProcessId } from '../supervisors/contract.js';
import { childrenByParent, sameProcess, withDescendants } from './identity.js';
import type { ProcessFacts, ProcessSource, Usage } from './processes.js';
import { SharedLooks } from './shared-looks.js';
import { Slices } from './slices.js';

/** One process's own share of a reading. */
export interface ProcessUsage extends ProcessId, Usage {}

/** One process with its descendants, measured at one moment. */
export interface Reading {
  root: ProcessUsage;
  startedAtMs: number;
  /** Root first. */
  tree: ProcessUsage[];
  /** Sum over the tree; pages that the processes share count once in each. */
  treeRssBytes: number;
  openFds: number | null;
  threads: number | null;
}

const rssOf = (tree: readonly ProcessUsage[]): number => tree.reduce((sum, { rssBytes }) => sum + rssBytes, 0);

/** `first` with the trees of other processes that belong to it; none counts twice. */
export function joined(first: Reading, others: readonly Reading[]): Reading {
  if (others.length === 0) return first;
  const tree = [...new Map([...first.tree, ...others.flatMap((other) => other.tree)].map((id) => [id.pid, id])).values()];
  return { ...first, tree, treeRssBytes: rssOf(tree) };
}

/**
 * `whole` without the trees of those below it that are told for themselves; none counts twice. What its processes have
 * waited for may have been theirs.
 */
export function apart(whole: Reading, others: ReadonlyMap<number, Reading>): Reading {
  const elsewhere = new Set<number>();
  for (const { pid } of whole.tree) {
    if (pid === whole.root.pid || elsewhere.has(pid)) continue;
    for (const member of others.get(pid)?.tree ?? []) elsewhere.add(member.pid);
  }
  if (elsewhere.size === 0) return whole;
  const kept = whole.tree.filter(({ pid }) => pid === whole.root.pid || !elsewhere.has(pid));
  const tree = kept.map(({ pid, start, rssBytes, cpuSeconds }) => ({ pid, start, rssBytes, cpuSeconds }));
  return { ...whole, root: tree[0]!, tree, treeRssBytes: rssOf(tree) };
}

/**
 * Where it reads /proc, pidusage keeps a descriptor of each pid's stat file until it has not been asked of it for
 * `maxage` milliseconds. One that it closes in the middle of a read it closes once more later, and by then the number may
 * be that of the journal: so this must be far longer than any read. 0 never returns (soyuka/pidusage, 4.1).
 */
const MAXAGE_MS = 60_000;
/** A sample that took more of it was overtaken by a suspend or a change of the time of day: see #ask. */
const LONGEST_READ = 1 / 4;

type Tree = readonly [root: ProcessFacts, ...descendants: ProcessFacts[]];

/**
 * Where the process table measures, as on Linux, nothing else is asked. Elsewhere pidusage is, of which (4.1) must be
 * known: where it reads /proc, it loses a descriptor for good where two calls overlap on a pid, and where a process ends
 * while it is being read. So one sample waits for the other, and pidusage is asked for the given pids only, which live
 * long, where the process table knows as much of their descendants, which may live for milliseconds.
 */
export class Sampler {
  readonly processes: ProcessSource;
  readonly #maxageMs: number;
  readonly #looks = new SharedLooks<Map<number, Reading>>();
  /** Of the look that has not begun yet. */
  #pids: number[] = [];

  constructor(processes: ProcessSource, maxageMs = MAXAGE_MS) {
    this.processes = processes;
    this.#maxageMs = maxageMs;
  }

  /**
   * A reading for each root pid that is alive; a pid without one has gone. Shapes: pid → reading. There may be others
   * among them: who asks while a sample is under way shares the next one. Rejects where the system cannot be asked: a
   * failed look is no death.
   */
  sample(pids: readonly number[]): Promise<Map<number, Reading>> {
    if (pids.length === 0) return Promise.resolve(new Map());
    this.#pids.push(...pids);
    return this.#looks.look('all', () => {
      const asked = [...new Set(this.#pids)];
      this.#pids = [];
      return this.#sample(asked);
    });
  }

  async #sample(pids: readonly number[]): Promise<Map<number, Reading>> {
    const all = await this.processes.snapshot();
    const children = childrenByParent(all);
    const trees: Tree[] = [];
    for (const pid of pids) {
      const root = all.get(pid);
      if (root) trees.push(withDescendants(root, children) as unknown as Tree);
    }
    const measured: ReadonlyMap<number, Usage> = this.processes.measures
      ? new Map()
      : await this.#ask(trees.flatMap(([root, ...rest]) => [root, ...rest.filter(({ usage }) => !usage)]));
    const alive = await this.#stillAlive(trees, measured);
    const readings = new Map<number, Reading>();
    const slices = new Slices();
    for (const tree of alive) {
      const { pid } = tree[0];
      const openFds = this.processes.openFds(pid);
      // A thousand turns of the microtask queue cost as much as a thousand reads.
      readings.set(pid, this.#reading(tree, measured, openFds instanceof Promise ? await openFds : openFds));
      if (slices.isOver()) await slices.next();
    }
    return readings;
  }

  /** Without those that ended between the two looks, which shows in no figures or in 0 bytes. */
  async #stillAlive(trees: readonly Tree[], measured: ReadonlyMap<number, Usage>): Promise<Tree[]> {
    const unsure = new Set<Tree>();
    for (const tree of trees) if (!(measured.get(tree[0].pid) ?? tree[0].usage)?.rssBytes) unsure.add(tree);
    if (unsure.size === 0) return [...trees];
    // A very small process has 0 bytes too, by the kernel's rough counters.
    const now = await this.processes.snapshot();
    return trees.filter((tree) => !unsure.has(tree) || sameProcess(now.get(tree[0].pid), tree[0]));
  }

  #reading([root, ...descendants]: Tree, measured: ReadonlyMap<number, Usage>, openFds: number | null): Reading {
    // Of a reused pid, pidusage reads the dead one's file, and knows nothing.
    const own = measured.get(root.pid) ?? root.usage;
    if (!own) throw new Error(`process ${root.pid} is alive, but its memory could not be read`);
    const rest = descendants.flatMap((facts) => {
      const usage = measured.get(facts.pid) ?? facts.usage;
      return usage ? [withUsage(facts, usage)] : []; // a child that has ended is missed by nobody
    });
    const first = withUsage(root, own);
    const tree = [first, ...rest];
    return {
      root: first,
      startedAtMs: root.startedAtMs,
      tree,
      treeRssBytes: rssOf(tree),
      openFds,
      threads: root.threads,
    };
  }

  async #ask(processes: readonly ProcessFacts[]): Promise<Map<number, Usage>> {
    const pids = [...new Set(processes.map(({ pid }) => pid))];
    if (pids.length === 0) return new Map();
    const began = { wallMs: Date.now(), monotonic: performance.now() };
    const stats: { [pid: string]: pidusage.Status | undefined } = await pidusage(pids, { maxage: this.#maxageMs }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ESRCH') return {}; // how it says that all of them have gone
        throw error;
      },
    );
    // What may have been closed under a read is forgotten: a descriptor lost is better than one closed twice.
    const tookMs = Math.max(Math.abs(Date.now() - began.wallMs), performance.now() - began.monotonic);
    if (tookMs > this.#maxageMs * LONGEST_READ) pidusage.clear();
    return new Map(
      Object.values(stats).flatMap((stat) => {
        const whole = stat && Number.isFinite(stat.memory) && Number.isFinite(stat.ctime);
        return whole ? [[stat.pid, { rssBytes: stat.memory, cpuSeconds: stat.ctime / 1000 }] as const] : [];
      }),
    );
  }
}

function withUsage({ pid, start }: ProcessId, usage: Usage): ProcessUsage {
  return { pid, start, ...usage };
}
