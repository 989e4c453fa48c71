import { readFile, readdir } from 'node:fs/promises';
import type { ProcessId } from '../supervisors/contract.js';
import { treeOf } from './identity.js';
import type { ProcessFacts, ProcessSource } from './processes.js';

/** Fields of /proc/PID/stat as proc_pid_stat(5) numbers them; `start` in clock ticks since boot. */
export interface ProcStat {
  pid: number;
  state: string; // field 3
  parent: number; // field 4
  threads: number; // field 20
  start: number; // field 22
}

/** Null for anything that is not a whole stat line. The name (field 2) may hold spaces and brackets. */
export function parseProcStat(line: string): ProcStat | null {
  const nameEnd = line.lastIndexOf(')');
  const fields = line.slice(nameEnd + 2).split(' ');
  const stat = {
    pid: Number.parseInt(line, 10),
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    threads: Number(fields[17]),
    start: Number(fields[19]),
  };
  const numbers = [stat.pid, stat.parent, stat.threads, stat.start];
  return nameEnd > 0 && numbers.every(Number.isSafeInteger) ? stat : null;
}

/** USER_HZ, the unit of `start`: AT_CLKTCK (17) of the auxiliary vector, getauxval(3); pairs of native words. */
export function parseClockTicks(auxv: Buffer): number {
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readBigUInt64LE(at) === 17n) return Number(auxv.readBigUInt64LE(at + 8));
  }
  return 100;
}

interface Boot {
  atMs: number; // btime of /proc/stat, in milliseconds
  ticksPerSecond: number;
}

export class LinuxProcesses implements ProcessSource {
  #boot: Promise<Boot> | undefined;

  async snapshot(): Promise<ReadonlyMap<number, ProcessFacts>> {
    const names = await readdir('/proc');
    const all = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map((name) => this.#facts(Number(name))));
    return new Map(all.filter((facts) => facts !== null).map((facts) => [facts.pid, facts]));
  }

  async identify(pid: number): Promise<ProcessId | null> {
    const facts = await this.#facts(pid);
    return facts && { pid, start: facts.start };
  }

  async tree(root: ProcessId): Promise<ProcessId[]> {
    return treeOf(root, await this.snapshot()).map(({ pid, start }) => ({ pid, start }));
  }

  async openFds(pid: number): Promise<number | null> {
    return readdir(`/proc/${pid}/fd`).then((fds) => fds.length, () => null);
  }

  async #facts(pid: number): Promise<ProcessFacts | null> {
    const line = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null); // gone: a value, not an error
    const stat = line === null ? null : parseProcStat(line);
    if (!stat || stat.state === 'Z' || stat.state === 'X') return null;
    this.#boot ??= readBoot();
    const boot = await this.#boot;
    return {
      pid,
      start: stat.start,
      parent: stat.parent,
      threads: stat.threads,
      startedAtMs: boot.atMs + (stat.start / boot.ticksPerSecond) * 1000,
    };
  }
}

async function readBoot(): Promise<Boot> {
  const [stat, auxv] = await Promise.all([readFile('/proc/stat', 'latin1'), readFile('/proc/self/auxv')]);
  return { atMs: Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0) * 1000, ticksPerSecond: parseClockTicks(auxv) };
}
