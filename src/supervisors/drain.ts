import type { Clock } from '../clock.js';
import type { Drain, Drained, ProcessId, ProcessTable } from './contract.js';

export const NOT_DRAINED: Drained = { complete: false, deaf: false };

export interface DrainParts {
  processes: ProcessTable;
  drain: Drain;
  clock: Clock;
}

/**
 * Drains a process with all below it: the agent may be in a wrapper's child (`docker run --init`, npm), or in each of a
 * cluster's workers. Resolves to when they began to take no new connections, by the clock that never jumps; null where
 * none is known to have closed a server.
 */
export async function drainTree(root: ProcessId, timeoutMs: number, parts: DrainParts): Promise<number | null> {
  const { processes, drain, clock } = parts;
  const tree = await processes.tree(root);
  const startedAt = clock.monotonic();
  const answers = await Promise.all(tree.map((member) => drain(member, timeoutMs)));
  return answers.some(({ deaf }) => deaf) ? startedAt : null;
}
