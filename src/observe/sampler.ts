import pidusage from 'pidusage';
import type { ProcessId } from '../supervisors/contract.js';
import { childrenByParent, withDescendants } from './identity.js';
import type { ProcessFacts, ProcessSource } from './processes.js';

/** One process's own share of a reading. */
export interface ProcessUsage extends ProcessId {
  rssBytes: number;
  /** User and system time since the process started, in seconds. */
  cpuSeconds: number;
}

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

/**
 * pidusage keeps a descriptor of each pid's stat file for `maxage`, and reads a reused pid through the dead one's:
 * kept this short (milliseconds), every sample opens its own. 0 never returns (soyuka/pidusage, 4.1).
 */
const MAXAGE_MS = 100;

export class Sampler {
  constructor(readonly processes: ProcessSource) {}

  /** A reading for each root pid that is alive; a pid without one has gone. Shapes: pid → reading. */
  async sample(pids: readonly number[]): Promise<Map<number, Reading>> {
    if (pids.length === 0) return new Map();
    const all = await this.processes.snapshot();
    const children = childrenByParent(all);
    const trees = pids.flatMap((pid) => {
      const root = all.get(pid);
      return root ? [withDescendants(root, children)] : [];
    });
    const usages = await usageOf(new Set(trees.flat()));
    const readings = await Promise.all(trees.map((tree) => this.#reading(tree, usages)));
    return new Map(readings.filter((reading) => reading !== null).map((reading) => [reading.root.pid, reading]));
  }

  async #reading(facts: ProcessFacts[], usages: ReadonlyMap<number, ProcessUsage>): Promise<Reading | null> {
    const tree = facts.flatMap(({ pid }) => usages.get(pid) ?? []);
    const [root] = tree;
    const [rootFacts] = facts;
    if (!root || !rootFacts || root.pid !== rootFacts.pid) return null; // it went between the two looks
    return {
      root,
      startedAtMs: rootFacts.startedAtMs,
      tree,
      treeRssBytes: tree.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
      openFds: await this.processes.openFds(root.pid),
      threads: rootFacts.threads,
    };
  }
}

async function usageOf(processes: ReadonlySet<ProcessFacts>): Promise<Map<number, ProcessUsage>> {
  if (processes.size === 0) return new Map();
  const stats = await pidusage([...processes].map(({ pid }) => pid), { maxage: MAXAGE_MS });
  const usages = new Map<number, ProcessUsage>();
  for (const { pid, start } of processes) {
    const stat: pidusage.Status | undefined = stats[pid]; // undefined for a pid that has gone
    // A process between exec and exit has no pages: it is as good as gone, and 0 bytes is not a measurement.
    if (stat && stat.memory > 0) usages.set(pid, { pid, start, rssBytes: stat.memory, cpuSeconds: stat.ctime / 1000 });
  }
  return usages;
}
