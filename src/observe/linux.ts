/** Linux: proc(5). Other systems have ps.ts and windows.ts. */
import { readFile, readdir } from 'node:fs/promises';
import { uptime } from 'node:os';
import type { ProcessId } from '../supervisors/contract.js';
import { treeOf } from './identity.js';
import type { ProcessFacts, ProcessSource } from './processes.js';

/** Fields of /proc/PID/stat as proc_pid_stat(5) numbers them. */
export interface ProcStat {
  pid: number;
  state: string; // field 3
  parent: number; // field 4
  majorFaults: number; // field 12: those that waited for a disk
  cpu: number; // fields 14 and 15: user and system time, in clock ticks
  threads: number; // field 20
  start: number; // field 22, in clock ticks since boot
  virtualBytes: number; // field 23
  residentPages: number; // field 24
}

const STAT = new RegExp(
  String.raw`^(\d+) \(.*\) (\S) (\d+) (?:-?\d+ ){7}(\d+) \d+ (\d+) (\d+) (?:-?\d+ ){4}(\d+) -?\d+ (\d+) (\d+) (\d+) .*\n$`,
  's',
);

/** Null for anything that is not a whole stat line. The name (field 2) may hold spaces and brackets. */
export function parseProcStat(line: string): ProcStat | null {
  const match = STAT.exec(line);
  if (!match) return null;
  const [pid, , parent, majorFaults, user, system, threads, start, virtualBytes, residentPages] = match
    .slice(1)
    .map(Number) as [number, number, number, number, number, number, number, number, number, number];
  const cpu = user + system;
  return { pid, state: match[2]!, parent, majorFaults, cpu, threads, start, virtualBytes, residentPages };
}

/** USER_HZ, the unit of a stat line's times. */
export function parseClockTicks(auxv: Buffer): number {
  return auxvEntry(auxv, 17n) ?? 100; // AT_CLKTCK
}

/** Bytes of a page, the unit of a stat line's resident memory. */
export function parsePageBytes(auxv: Buffer): number {
  return auxvEntry(auxv, 6n) ?? 4096; // AT_PAGESZ
}

/** An entry of the auxiliary vector, getauxval(3): pairs of native words, of which only the 64-bit ones are read. */
function auxvEntry(auxv: Buffer, type: bigint): number | null {
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readBigUInt64LE(at) === type) return Number(auxv.readBigUInt64LE(at + 8));
  }
  return null;
}

/** btime is rounded down to a second, uptime to a hundredth of one. */
const BTIME_ERROR_MS = 1500;

/**
 * When the machine started, in milliseconds since the epoch: /proc/stat's btime, made finer by the uptime where both
 * agree. Where they do not, in a container with an uptime of its own (lxcfs), it is btime that ticks count from.
 */
export function bootTimeMs(procStat: string, byUptimeMs: number): number {
  const btime = /^btime (\d+)$/m.exec(procStat)?.[1];
  const btimeMs = btime === undefined ? byUptimeMs : Number(btime) * 1000;
  return Math.abs(byUptimeMs - btimeMs) <= BTIME_ERROR_MS ? byUptimeMs : btimeMs;
}

interface Units {
  ticksPerSecond: number;
  pageBytes: number;
}

/** Each read holds a descriptor, of which we may have fewer than the machine has processes; four are read at a time. */
const READS_AT_ONCE = 16;
/** The clock was set, rather than that two readings of it and of the uptime lay apart. */
const CLOCK_STEP_MS = 500;

export class LinuxProcesses implements ProcessSource {
  readonly #now: () => number;
  #units: Units | undefined;
  #boot: { byUptimeMs: number; atMs: number } | undefined;

  /** `now`: milliseconds since the epoch. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  async snapshot(): Promise<ReadonlyMap<number, ProcessFacts>> {
    return this.#all(({ virtualBytes }) => virtualBytes > 0);
  }

  async identify(pid: number): Promise<ProcessId | null> {
    const stat = await readStat(pid);
    return stat && { pid, start: stat.start };
  }

  async tree(root: ProcessId): Promise<ProcessId[]> {
    return treeOf(root, await this.#all(() => true)).map(({ pid, start }) => ({ pid, start }));
  }

  async startedWith(variable: string): Promise<ProcessId[]> {
    const found = await Promise.all(
      (await pidsNow()).map(async (pid) => {
        const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''); // gone, or another user's
        return environment.split('\0').includes(variable) ? this.identify(pid) : null;
      }),
    );
    return found.filter((id) => id !== null);
  }

  async openFds(pid: number): Promise<number | null> {
    return readdir(`/proc/${pid}/fd`).then((fds) => fds.length, () => null);
  }

  async #all(wanted: (stat: ProcStat) => boolean): Promise<Map<number, ProcessFacts>> {
    const [pids, units, bootMs] = await Promise.all([pidsNow(), this.#readUnits(), this.#readBoot()]);
    const all = new Map<number, ProcessFacts>();
    for (let at = 0; at < pids.length; at += READS_AT_ONCE) {
      const stats = await Promise.all(pids.slice(at, at + READS_AT_ONCE).map(readStat));
      for (const stat of stats) if (stat && wanted(stat)) all.set(stat.pid, factsOf(stat, units, bootMs));
    }
    return all;
  }

  async #readUnits(): Promise<Units> {
    if (!this.#units) {
      const auxv = await readFile('/proc/self/auxv');
      this.#units = { ticksPerSecond: parseClockTicks(auxv), pageBytes: parsePageBytes(auxv) };
    }
    return this.#units;
  }

  /** Read once, since start times must not waver, and again when the clock was set: they are times of day. */
  async #readBoot(): Promise<number> {
    const byUptimeMs = this.#now() - uptime() * 1000;
    if (!this.#boot || Math.abs(byUptimeMs - this.#boot.byUptimeMs) > CLOCK_STEP_MS) {
      this.#boot = { byUptimeMs, atMs: bootTimeMs(await readFile('/proc/stat', 'latin1'), byUptimeMs) };
    }
    return this.#boot.atMs;
  }
}

async function pidsNow(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

function factsOf(stat: ProcStat, { ticksPerSecond, pageBytes }: Units, bootMs: number): ProcessFacts {
  const { pid, parent, start, threads, cpu, residentPages } = stat;
  const startedAtMs = bootMs + (start / ticksPerSecond) * 1000;
  const usage = { rssBytes: residentPages * pageBytes, cpuSeconds: cpu / ticksPerSecond };
  return { pid, parent, start, threads, startedAtMs, usage };
}

/** Gone, or another user's where /proc hides those (hidepid): a value. All else, as too many open files, is not. */
const GONE = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);

async function readStat(pid: number): Promise<ProcStat | null> {
  const line = await readFile(`/proc/${pid}/stat`, 'latin1').catch((error: NodeJS.ErrnoException) => {
    if (GONE.has(error.code ?? '')) return '';
    throw error;
  });
  const stat = parseProcStat(line);
  return stat && /[ZXx]/.test(stat.state) ? null : stat; // a zombie, or dead
}
