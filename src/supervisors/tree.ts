import type { Clock } from '../clock.js';
import { isAlive } from './alive.js';
import type { ProcessId, ProcessTable } from './contract.js';

export interface Lookout {
  processes: ProcessTable;
  clock: Clock;
}

/** The members and the children that they have by now; the first member stays first. */
export async function withNewChildren(members: readonly ProcessId[], processes: ProcessTable): Promise<ProcessId[]> {
  const alive = await living(members, processes);
  const trees = await Promise.all(alive.map((member) => processes.tree(member)));
  return [...new Map([...members, ...trees.flat()].map((id) => [id.pid, id])).values()];
}

/** Those who are still who they were. */
export async function living(members: readonly ProcessId[], processes: ProcessTable): Promise<ProcessId[]> {
  const alive = await Promise.all(members.map((member) => isAlive(member, processes)));
  return members.filter((_, i) => alive[i]);
}

/** False where one of them lives on at `deadlineMs`, by the clock that never jumps. */
export async function untilGone(
  ids: readonly ProcessId[],
  deadlineMs: number,
  pollMs: number,
  { processes, clock }: Lookout,
): Promise<boolean> {
  for (;;) {
    if ((await living(ids, processes)).length === 0) return true;
    if (clock.monotonic() >= deadlineMs) return false;
    await clock.sleep(pollMs);
  }
}
