/** Pure: what a worker's process died of. Certain, or not claimed. */
import type { OomKill } from '../observe/oom-kills.js';
import type { Ending } from '../supervisors/contract.js';
import { heapOomReason } from '../supervisors/heap-words.js';

export const DEATH_REASONS = [
  'oom_heap', // V8 ended it: its heap was at its limit
  'oom_kernel', // the kernel killed it: its cgroup or the machine had no memory left
] as const;
export type DeathReason = (typeof DEATH_REASONS)[number];

export interface Cause {
  reason: DeathReason;
  /** What it rests on, in a part of a sentence. */
  evidence: string;
}

/**
 * Signals with which V8 ends a process whose heap is full, as numbers since a shell or npm above it says 128 + n. Node
 * 18 to 26 abort (SIGABRT); without Node's handler, as while a heap is being built, V8 22 and later trap (SIGTRAP).
 */
const BY_V8 = new Map([['SIGABRT', 134], ['SIGTRAP', 133]]);
const KILLED = new Map([['SIGKILL', 137]]);

/** `tree`: what is known of the kernel's part in it; asked for only where it may have had one. */
export function causeOfDeath(ending: Pick<Ending, 'code' | 'signal' | 'words'>, kernel: OomKill | null): Cause | null {
  const said = heapOomReason(ending.words);
  if (said !== null && endedBy(ending, BY_V8)) {
    return { reason: 'oom_heap', evidence: `V8 said "${said}" and it ${howEnded(ending)}` };
  }
  if (!kernel || !mayBeKilled(ending)) return null;
  const names = kernel.pid === null ? null : `the kernel's log names process ${kernel.pid}`;
  const counts = kernel.cgroup === null ? null : `the count of its cgroup's out-of-memory kills rose (${kernel.cgroup})`;
  return { reason: 'oom_kernel', evidence: `it ${howEnded(ending)}, and ${names ?? counts}` };
}

/** Whether the kernel may have killed it: it, or what a shell or npm that has ended with it had below. */
export const mayBeKilled = (ending: Pick<Ending, 'code' | 'signal'>): boolean => endedBy(ending, KILLED);

function endedBy({ code, signal }: Pick<Ending, 'code' | 'signal'>, signals: ReadonlyMap<string, number>): boolean {
  return (signal !== null && signals.has(signal)) || (code !== null && [...signals.values()].includes(code));
}

function howEnded({ code, signal }: Pick<Ending, 'code' | 'signal'>): string {
  return signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
}
