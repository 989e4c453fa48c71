/** Pure: the CPU time of a process and its children as one count, which falls for none of them that ends. */
import { sameProcess } from './identity.js';
import type { ProcessUsage } from './sampler.js';

export interface CpuCount {
  /** User and system time of the tree since the root process started, of processes that have ended meanwhile too. */
  seconds: number;
  /** Of processes that have ended, counted already, while none that has waited for them shows it. */
  owed: number;
}

export const NO_CPU: CpuCount = { seconds: 0, owed: 0 };

/**
 * What each process has used since the last look, and what those had used that it has waited for since. Of the latter,
 * what was seen running is counted already. A child may end after the look at its parent and before that at itself: its
 * parent shows it one look later, and it is owed until then. What it does not show then, nobody has waited for.
 */
export function countCpu(tree: readonly ProcessUsage[], before: readonly ProcessUsage[], count: CpuCount): CpuCount {
  const ended = new Map(before.map((usage) => [usage.pid, usage]));
  let [own, waited] = [0, 0];
  for (const usage of tree) {
    const found = ended.get(usage.pid);
    const last = found && sameProcess(found, usage) ? found : null;
    if (last) ended.delete(usage.pid);
    const waitedBefore = last ? (last.waitedCpuSeconds ?? waitedOf(usage)) : 0;
    own += Math.max(0, usage.cpuSeconds - (last?.cpuSeconds ?? 0));
    waited += Math.max(0, waitedOf(usage) - waitedBefore);
  }
  let counted = 0;
  for (const usage of ended.values()) counted += usage.cpuSeconds + waitedOf(usage);
  const news = Math.max(0, waited - count.owed);
  return { seconds: exact(count.seconds + own + Math.max(0, news - counted)), owed: Math.max(0, counted - news) };
}

const waitedOf = ({ waitedCpuSeconds = 0 }: ProcessUsage): number => waitedCpuSeconds;

/** To the microsecond, lest sums drift: a warden that starts later must not find less, which would be a reset. */
const exact = (seconds: number): number => Math.round(seconds * 1e6) / 1e6;
