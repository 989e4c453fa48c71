/**
 * What the system tells of a process that does not turn its event loop. Read only of those that are silent. Linux tells
 * most, macOS and the BSDs one thing, Windows nothing.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { parseProcStat } from './linux.js';

export interface Signs {
  /** null: it is not stopped, or the system does not tell. */
  stoppedBy: 'signal' | 'tracer' | null;
  /** Somebody is connected to its inspector. */
  debuggerAttached: boolean;
  /** Page faults since it started for which it waited for a disk; null where the system does not tell. */
  majorFaults: number | null;
  /** Share of the last 10 s, 0 to 1, in which all of the machine's tasks waited for memory; null where not told. */
  memoryPressure: number | null;
}

/** null where the process has gone or nothing can be read. `inspectorPort`: null where its inspector is not open. */
export type ReadSigns = (pid: number, inspectorPort: number | null) => Promise<Signs | null>;

export function signReader(platform: NodeJS.Platform = process.platform): ReadSigns {
  if (platform === 'win32') return async () => null; // Win32_Process.ExecutionState is never filled in
  return platform === 'linux' ? readLinuxSigns : readPsSigns;
}

async function readLinuxSigns(pid: number, inspectorPort: number | null): Promise<Signs | null> {
  const stat = parseProcStat(await text(`/proc/${pid}/stat`));
  if (!stat) return null;
  return {
    // proc_pid_stat(5): T stopped on a signal, t by a tracer (since Linux 2.6.33)
    stoppedBy: stat.state === 'T' ? 'signal' : stat.state === 't' ? 'tracer' : null,
    debuggerAttached: inspectorPort !== null && (await hasConnection(pid, inspectorPort)),
    majorFaults: stat.majorFaults,
    memoryPressure: parseMemoryPressure(await text('/proc/pressure/memory')),
  };
}

/** macOS and the BSDs: ps(1) tells a stopped process by a state that begins with T, and of the rest nothing. */
async function readPsSigns(pid: number): Promise<Signs | null> {
  const ps = await promisify(execFile)('ps', ['-o', 'state=', '-p', String(pid)]).catch(() => null);
  if (!ps) return null;
  const stoppedBy = ps.stdout.trimStart().startsWith('T') ? 'signal' : null;
  return { stoppedBy, debuggerAttached: false, majorFaults: null, memoryPressure: null };
}

/** By the process's own table: it may live in another network namespace. */
async function hasConnection(pid: number, port: number): Promise<boolean> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => text(`/proc/${pid}/net/${name}`)));
  return tables.some((table) => hasEstablished(table, port));
}

/**
 * Whether a table of /proc/net/tcp or tcp6 has an established connection (state 01) with this local port. Format:
 * https://docs.kernel.org/networking/proc_net_tcp.html (`sl local_address rem_address st …`, in hexadecimal).
 */
export function hasEstablished(table: string, port: number): boolean {
  const local = port.toString(16).toUpperCase().padStart(4, '0');
  return new RegExp(String.raw`^\s*\d+: [0-9A-F]+:${local} [0-9A-F]+:[0-9A-F]{4} 01 `, 'm').test(table);
}

/**
 * The line `full avg10=…` of /proc/pressure/memory as a share of time, 0 to 1; null where there is none (no PSI in the
 * kernel). Format and meaning: https://docs.kernel.org/accounting/psi.html
 */
export function parseMemoryPressure(pressure: string): number | null {
  const percent = /^full avg10=(\d+(?:\.\d+)?) /m.exec(pressure)?.[1];
  return percent === undefined ? null : Number(percent) / 100;
}

/** Empty where it cannot be read: then it tells nothing. */
function text(path: string): Promise<string> {
  return readFile(path, 'latin1').catch(() => '');
}
