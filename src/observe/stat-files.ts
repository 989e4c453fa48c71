/** Linux: the stat files of processes, proc_pid_stat(5). */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

/** 52 numbers of at most 20 digits, and a name of at most 64 bytes (that of a kernel worker). */
const MOST_BYTES = 2048;
/** Each kept file costs the kernel some 5 KB: its page of text, and an inode. */
const MOST_KEPT = 4096;
/** Of all descriptors that we may have: sockets and journals need theirs, and opening anew costs only time. */
const SHARE = 1 / 8;

/** Gone, or another user's where /proc hides those (hidepid): a value. All else, as too many open files, is not. */
const GONE = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);
const STARVED = new Set(['EMFILE', 'ENFILE']);

/**
 * Reads them, and keeps their descriptors from one look at all processes to the next: reading one again takes half of
 * what it takes to open it anew. A descriptor belongs to the process and not to its pid: when that has gone, it reads
 * ESRCH for good, whoever has the pid by then (proc_single_show, fs/proc/base.c).
 *
 * It reads at once, as a thread would take five times as long to be asked. That is safe for stat: unlike cmdline it does
 * not wait for the process, whatever that does with its memory.
 */
export class StatFiles {
  /** Descriptor by pid. */
  readonly #kept = new Map<number, number>();
  readonly #bytes = Buffer.allocUnsafe(MOST_BYTES);
  #most: number | undefined;

  /**
   * The file's text, good until the next read; null where the process has gone or is not to be seen. `keep`: it is going
   * to be read again. Throws where the system cannot be asked.
   */
  read(pid: number, { keep = false } = {}): Uint8Array | null {
    const kept = this.#kept.get(pid);
    if (kept !== undefined) {
      const text = this.#readFrom(kept);
      if (text) return text;
      this.#forget(pid, kept); // the pid may be another's by now
    }
    const fd = this.#open(pid);
    if (fd === null) return null;
    let isKept = false;
    try {
      const text = this.#readFrom(fd);
      isKept = keep && text !== null && this.#kept.size < this.#mayKeep();
      return text;
    } finally {
      if (isKept) this.#kept.set(pid, fd);
      else closeSync(fd);
    }
  }

  /** Closes those of all others. */
  keepOnly(pids: ReadonlySet<number>): void {
    for (const [pid, fd] of this.#kept) if (!pids.has(pid)) this.#forget(pid, fd);
  }

  /** Whether there are more descriptors to be had after this error: those that were kept, which are fewer from then on. */
  giveWay(error: unknown): boolean {
    if (!STARVED.has(codeOf(error)) || this.#kept.size === 0) return false;
    this.#most = Math.floor(this.#kept.size / 2);
    this.close();
    return true;
  }

  /** Of those that are kept; what is read later is opened anew. */
  close(): void {
    this.keepOnly(new Set());
  }

  #open(pid: number): number | null {
    try {
      return openSync(`/proc/${pid}/stat`, 'r');
    } catch (error) {
      if (GONE.has(codeOf(error))) return null;
      if (this.giveWay(error)) return this.#open(pid);
      throw error;
    }
  }

  #readFrom(fd: number): Uint8Array | null {
    try {
      return this.#bytes.subarray(0, readSync(fd, this.#bytes, 0, MOST_BYTES, 0));
    } catch (error) {
      if (GONE.has(codeOf(error))) return null;
      throw error;
    }
  }

  #forget(pid: number, fd: number): void {
    this.#kept.delete(pid);
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

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? '';
