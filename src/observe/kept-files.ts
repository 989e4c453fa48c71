/** Linux: descriptors of files of each process, /proc/PID/NAME, that are kept from one look to the next. */
import { closeSync, openSync, readFileSync } from 'node:fs';

/** Each kept file costs the kernel some 5 KB: its page of text, and an inode. */
const MOST_KEPT = 4096;
/** Of all descriptors that we may have: sockets and journals need theirs, and opening anew costs only time. */
const SHARE = 1 / 8;

/** Gone, or another user's where /proc hides those (hidepid): a value. All else, as too many open files, is not. */
const GONE = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);
const STARVED = new Set(['EMFILE', 'ENFILE']);

type FileName = 'stat' | 'fd';

/**
 * Using one again takes half of what it takes to open it anew. A descriptor belongs to the process and not to its pid:
 * when that has gone, it answers ESRCH or ENOENT for good, whoever has the pid by then (fs/proc/base.c).
 */
export class KeptFiles {
  /** Descriptor by pid. */
  readonly #kept: Record<FileName, Map<number, number>> = { stat: new Map(), fd: new Map() };
  #most: number | undefined;

  /**
   * What `ask` has found by the descriptor; null where the process has gone or is not to be seen, or `ask` found nothing.
   * `keep`: it is going to be used again. Throws where the system cannot be asked.
   */
  use<T>(name: FileName, pid: number, ask: (fd: number) => T | null, keep: boolean): T | null {
    const kept = this.#kept[name].get(pid);
    if (kept !== undefined) {
      const found = unlessGone(ask, kept);
      if (found !== null) return found;
      this.#forget(name, pid, kept); // the pid may be another's by now
    }
    const fd = this.#open(name, pid);
    if (fd === null) return null;
    let isKept = false;
    try {
      const found = unlessGone(ask, fd);
      isKept = keep && found !== null && this.#size < this.#mayKeep();
      return found;
    } finally {
      if (isKept) this.#kept[name].set(pid, fd);
      else closeSync(fd);
    }
  }

  /** Closes those of all others. */
  keepOnly(pids: ReadonlySet<number>): void {
    for (const name of ['stat', 'fd'] as const) {
      for (const [pid, fd] of this.#kept[name]) if (!pids.has(pid)) this.#forget(name, pid, fd);
    }
  }

  /** Whether there are more descriptors to be had after this error: those that were kept, which are fewer from then on. */
  giveWay(error: unknown): boolean {
    if (!STARVED.has(codeOf(error)) || this.#size === 0) return false;
    this.#most = Math.floor(this.#size / 2);
    this.close();
    return true;
  }

  /** Of those that are kept; what is used later is opened anew. */
  close(): void {
    this.keepOnly(new Set());
  }

  get #size(): number {
    return this.#kept.stat.size + this.#kept.fd.size;
  }

  #open(name: FileName, pid: number): number | null {
    try {
      return openSync(`/proc/${pid}/${name}`, 'r');
    } catch (error) {
      if (GONE.has(codeOf(error))) return null;
      if (this.giveWay(error)) return this.#open(name, pid);
      throw error;
    }
  }

  #forget(name: FileName, pid: number, fd: number): void {
    this.#kept[name].delete(pid);
    closeSync(fd);
  }

  #mayKeep(): number {
    this.#most ??= mostKept(readFileSync('/proc/self/limits', 'latin1'));
    return this.#most;
  }
}

/** How many may be kept, by the text of /proc/self/limits, proc_pid_limits(5); none where it does not tell. */
export function mostKept(limits: string): number {
  const soft = /^Max open files +(\d+|unlimited) /m.exec(limits)?.[1];
  return soft === 'unlimited' ? MOST_KEPT : Math.min(MOST_KEPT, Math.floor(Number(soft ?? 0) * SHARE));
}

function unlessGone<T>(ask: (fd: number) => T | null, fd: number): T | null {
  try {
    return ask(fd);
  } catch (error) {
    if (GONE.has(codeOf(error))) return null;
    throw error;
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';
