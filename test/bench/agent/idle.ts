/** What each side costs while nobody asks it anything. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMs, memoryOf, type Memory } from '../process-cost.js';
import { together, type Side, type StartOptions } from './sides.js';
import type { Hammer } from './throughput.js';

/**
 * An app that has never been asked has hardly collected garbage, and V8's heap grows with the first collections: who
 * brings them about, the app or who watches it, would be all that is measured. For the same reason it is told to collect
 * what the load has left.
 */
const ASKED_MS = 1000;
/**
 * V8 gives memory back when little has been asked of it for 8 s, and again and again (src/heap/memory-reducer.h). After
 * 40 s the heaps of some processes of one side are 6 MB larger than those of others; after 2 min they are alike.
 */
const SETTLE_MS = 120_000;

export interface Idle extends Memory {
  side: string;
  /** Of one core, 0 to 1. */
  cpuShare: number;
}

/**
 * `sets` fresh processes of each side, all at once: CPU over `forMs`, memory at its end. The i-th result of one side
 * has run beside the i-th of every other.
 */
export async function measureIdle(
  all: readonly Side[],
  hammer: Hammer,
  options: StartOptions & { sets: number; forMs: number },
): Promise<Idle[]> {
  const processes = Array.from({ length: options.sets }, () => all).flat();
  return together(processes, options, async (running) => {
    for (const side of running) await hammer.burst(side, ASKED_MS);
    for (const side of running) side.collectGarbage();
    await sleep(SETTLE_MS);
    const before = running.map(({ pid }) => ({ at: performance.now(), cpu: cpuMs(pid) }));
    await sleep(options.forMs);
    return running.map(({ side, pid }, i) => {
      const cpuShare = (cpuMs(pid) - before[i]!.cpu) / (performance.now() - before[i]!.at);
      return { side: side.name, cpuShare, ...memoryOf(pid) };
    });
  });
}
