import type { ProcessId, ProcessTable } from '../supervisors/contract.js';
import { LinuxProcesses } from './linux.js';
import { PsProcesses } from './ps.js';

/** What the system says of one process besides memory and CPU, which are pidusage's. */
export interface ProcessFacts extends ProcessId {
  parent: number;
  /** Milliseconds since the Unix epoch. */
  startedAtMs: number;
  /** null where the system does not tell. */
  threads: number | null;
}

/** The machine's processes. A zombie is not among them: it holds no memory and will not run again. */
export interface ProcessSource extends ProcessTable {
  /** All processes now, by pid. */
  snapshot(): Promise<ReadonlyMap<number, ProcessFacts>>;
  /** Number of open file descriptors; null where the system does not tell or the process has gone. */
  openFds(pid: number): Promise<number | null>;
}

export function processSource(platform: NodeJS.Platform = process.platform): ProcessSource {
  return platform === 'linux' ? new LinuxProcesses() : new PsProcesses();
}
