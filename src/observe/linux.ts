/** Linux: proc(5). Other systems have ps.ts and windows.ts. */
import { fstatSync, readdirSync, statSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { uptime } from 'node:os';
import type { ProcessId } from '../supervisors/contract.js';
import { treeOf } from './identity.js';
import { KernelThreads, isKernelThread } from './kernel-threads.js';
import { KeptFiles } from './kept-files.js';
import type { ProcessFacts, ProcessSource } from './processes.js';
import { SharedLooks } from './shared-looks.js';
import { Slices } from './slices.js';
import { StatFiles } from './stat-files.js';

/** Fields of /proc/PID/stat as proc_pid_stat(5) numbers them. */
export interface ProcStat {
  pid: number;
  state: string; // field 3
  parent: number; // field 4
  flags: number; // field 9
  majorFaults: number; // field 12: those that waited for a disk
  cpu: number; // fields 14 and 15: user and system time, in clock ticks
  waitedCpu: number; // fields 16 and 17: the same of children that have ended and were waited for
  threads: number; // field 20
  start: number; // field 22, in clock ticks since boot
  virtualBytes: number; // field 23
  residentPages: number; // field 24
}

const [NEWLINE, SPACE, OPEN, CLOSE, MINUS, ZERO] = [10, 32, 40, 41, 45, 48] as const;
/** Resident pages; the kernel's line goes on. */
const LAST_FIELD = 24;

/**
 * Null for anything that is not a whole stat line. The name (field 2) may hold spaces and brackets. Byte by byte, which
 * takes a third of what a pattern takes: it is done for every process of the machine in every round.
 */
export function parseProcStat(line: string | Uint8Array): ProcStat | null {
  const bytes = typeof line === 'string' ? Buffer.from(line) : line;
  let at = 0;
  let pid = 0;
  for (let digit; (digit = bytes[at]! - ZERO) >= 0 && digit <= 9; at++) pid = pid * 10 + digit;
  const nameEnd = bytes.lastIndexOf(CLOSE);
  if (at === 0 || bytes[at] !== SPACE || bytes[at + 1] !== OPEN || nameEnd <= at) return null;
  const state = bytes[nameEnd + 2]!;
  const isWhole = bytes[nameEnd + 1] === SPACE && bytes[nameEnd + 3] === SPACE && bytes[bytes.length - 1] === NEWLINE;
  if (!isWhole || state <= SPACE) return null;
  let [parent, flags, majorFaults, cpu, waitedCpu] = [0, 0, 0, 0, 0];
  let [threads, start, virtualBytes, residentPages] = [0, 0, 0, 0];
  at = nameEnd + 4;
  for (let field = 4; field <= LAST_FIELD; field++, at++) {
    const isNegative = bytes[at] === MINUS;
    if (isNegative) at += 1;
    const from = at;
    let value = 0;
    for (let digit; (digit = bytes[at]! - ZERO) >= 0 && digit <= 9; at++) value = value * 10 + digit;
    if (at === from || bytes[at] !== SPACE) return null;
    if (field === 4) parent = value;
    else if (field === 9) flags = value;
    else if (field === 12) majorFaults = value;
    else if (field === 14 || field === 15) cpu += value;
    else if (field === 16 || field === 17) waitedCpu += value;
    else if (field === 20) threads = value;
    else if (field === 22) start = value;
    else if (field === 23) virtualBytes = value;
    else if (field === 24) residentPages = value;
    else continue;
    if (isNegative) return null; // none of those that are read ever is
  }
  return {
    pid,
    state: String.fromCharCode(state),
    parent,
    flags,
    majorFaults,
    cpu,
    waitedCpu,
    threads,
    start,
    virtualBytes,
    residentPages,
  };
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

/** Reads that wait for a thread hold a descriptor each, of which we may have fewer than the machine has processes. */
const READS_AT_ONCE = 16;
/** The clock was set, rather than that two readings of it and of the uptime lay apart. */
const CLOCK_STEP_MS = 500;

export class LinuxProcesses implements ProcessSource {
  /** pidusage would read the same files once more. */
  readonly measures = true;
  readonly #files = new KeptFiles();
  readonly #stats = new StatFiles(this.#files);
  readonly #kernelThreads = new KernelThreads();
  /** Whoever stops a thousand workers asks for a thousand trees at once. */
  readonly #looks = new SharedLooks<ReadonlyMap<number, ProcessFacts>>();
  readonly #now: () => number;
  #units: Units | undefined;
  #boot: { byUptimeMs: number; atMs: number } | undefined;

  /** `now`: milliseconds since the epoch. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  async snapshot(): Promise<ReadonlyMap<number, ProcessFacts>> {
    return this.#looks.look('with memory', async () => {
      const pids = this.#pids();
      this.#kernelThreads.leaveOut(pids);
      return this.#all(pids, ({ virtualBytes }) => virtualBytes > 0);
    });
  }

  async identify(pid: number): Promise<ProcessId | null> {
    const stat = this.#read(pid, false);
    return stat && { pid, start: stat.start };
  }

  async tree(root: ProcessId): Promise<ProcessId[]> {
    const all = await this.#looks.look('all', async () => this.#all(this.#pids(), () => true));
    return treeOf(root, all).map(({ pid, start }) => ({ pid, start }));
  }

  async startedWith(variable: string): Promise<ProcessId[]> {
    const pids = [...this.#pids()];
    const found: ProcessId[] = [];
    for (let at = 0; at < pids.length; at += READS_AT_ONCE) {
      const some = await Promise.all(
        pids.slice(at, at + READS_AT_ONCE).map(async (pid) => {
          // Empty where it has gone, or is another user's.
          const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
          return environment.split('\0').includes(variable) ? this.identify(pid) : null;
        }),
      );
      found.push(...some.filter((id) => id !== null));
    }
    return found;
  }

  /** Since Linux 6.2 the folder's size is their number; a list of thousands takes thousands of times as long. */
  openFds(pid: number): number | null | Promise<number | null> {
    const counted = this.#countFds(pid);
    if (counted !== null) return counted;
    const folder = `/proc/${pid}/fd`;
    try {
      const { size } = statSync(folder); // another user's cannot be opened
      if (size > 0) return size;
    } catch {
      return null; // gone, or another user's before Linux 6.2
    }
    return readdir(folder).then(({ length }) => length, () => null);
  }

  /** By a kept descriptor; null where that is not to be had, and the path has to do. */
  #countFds(pid: number): number | null {
    try {
      return this.#files.use('fd', pid, sizeOf, true);
    } catch {
      return null;
    }
  }

  close(): void {
    this.#files.close();
  }

  /** `pids` are those that are listed, which comes first: short of descriptors, it makes room for the others. */
  async #all(pids: Set<number>, wanted: (stat: ProcStat) => boolean): Promise<Map<number, ProcessFacts>> {
    const [units, bootMs] = await Promise.all([this.#readUnits(), this.#readBoot()]);
    const all = new Map<number, ProcessFacts>();
    const slices = new Slices();
    await slices.next(); // nothing else here waits: who looks again and again would keep all timers from running
    for (const pid of pids) {
      const stat = this.#read(pid, true);
      if (stat && wanted(stat)) all.set(pid, factsOf(stat, units, bootMs));
      if (stat && isKernelThread(stat.flags)) {
        this.#kernelThreads.add(pid);
        pids.delete(pid); // its file is not kept open
      }
      if (slices.isOver()) await slices.next();
    }
    this.#files.keepOnly(pids);
    return all;
  }

  /** Null where there is none, or a zombie, or a dead one. */
  #read(pid: number, keep: boolean): ProcStat | null {
    const text = this.#stats.read(pid, { keep });
    const stat = text && parseProcStat(text);
    return stat && DEAD.has(stat.state) ? null : stat;
  }

  /** At once: to ask a thread for the list takes as long as a hundred names of it, of which 10,000 take some 5 ms. */
  #pids(): Set<number> {
    try {
      const pids = new Set<number>();
      for (const name of readdirSync('/proc')) if (Number(name) > 0) pids.add(Number(name));
      return pids;
    } catch (error) {
      if (this.#files.giveWay(error)) return this.#pids();
      throw error;
    }
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

/** null where the kernel does not count them so. */
const sizeOf = (folder: number): number | null => fstatSync(folder).size || null;

function factsOf(stat: ProcStat, { ticksPerSecond, pageBytes }: Units, bootMs: number): ProcessFacts {
  const { pid, state, parent, start, threads, cpu, waitedCpu, residentPages } = stat;
  const startedAtMs = bootMs + (start / ticksPerSecond) * 1000;
  const usage = {
    rssBytes: residentPages * pageBytes,
    cpuSeconds: cpu / ticksPerSecond,
    waitedCpuSeconds: waitedCpu / ticksPerSecond,
  };
  return { pid, parent, start, threads, startedAtMs, usage, isStuck: state === 'D' };
}

/** A zombie (Z), and those of which the kernel lets go at this moment. */
const DEAD = new Set(['Z', 'X', 'x']);
