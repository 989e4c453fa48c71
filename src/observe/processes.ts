import type { ProcessId, ProcessTable } from '../supervisors/contract.js';
import { LinuxProcesses } from './linux.js';
import { PsProcesses } from './ps.js';
import { WindowsProcesses } from './windows.js';

/** What one process uses by itself. */
export interface Usage {
  /** Resident memory, shared pages included. */
  rssBytes: number;
  /** User and system time since the process started, in seconds. */
  cpuSeconds: number;
  /** The same of children that have ended and were waited for, with theirs; absent where the system does not tell. */
  waitedCpuSeconds?: number;
}

/** What the system says of one process. */
export interface ProcessFacts extends ProcessId {
  parent: number;
  /** Milliseconds since the Unix epoch. */
  startedAtMs: number;
  /** null where the system does not tell. */
  threads: number | null;
  /** null where it takes pidusage to know. */
  usage: Usage | null;
  /** Only where the system tells it in the same breath; null where this one has or shows none. */
  commandLine?: string | null;
  /** It waits in the kernel (state D), and who reads its memory may wait with it; absent where the system is silent. */
  isStuck?: boolean;
}

/** The machine's processes. A zombie is not among them: it holds no memory and will not run again. */
export interface ProcessSource extends ProcessTable {
  /** A snapshot's `usage` is all there is to know: pidusage need not be asked. */
  readonly measures?: boolean;
  /**
   * All processes that have memory now, by pid. One that the kernel is taking apart has none any more, though it may
   * hold its ports for another moment: it still has an identity, and a place in `tree`. Rejects where the system
   * cannot be asked.
   */
  snapshot(): Promise<ReadonlyMap<number, ProcessFacts>>;
  /** Number of open file descriptors; null where the system does not tell or the process has gone. At once where it can. */
  openFds(pid: number): number | null | Promise<number | null>;
  /** Lets go of what it keeps from one look to the next; it can still be asked. */
  close?(): void;
}

export function processSource(platform: NodeJS.Platform = process.platform): ProcessSource {
  if (platform === 'win32') return new WindowsProcesses();
  return platform === 'linux' ? new LinuxProcesses() : new PsProcesses();
}
