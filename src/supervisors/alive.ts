import type { ProcessId, ProcessTable } from './contract.js';

/** Whether this very process still runs: its pid may have been given to another one since. */
export async function isAlive({ pid, start }: ProcessId, processes: ProcessTable): Promise<boolean> {
  return (await processes.identify(pid))?.start === start;
}
