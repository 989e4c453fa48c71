/** PF_KTHREAD of include/linux/sched.h, in the ninth field of /proc/PID/stat. */
const PF_KTHREAD = 0x0020_0000;
/** Before Linux 5.19 a thread of the kernel could itself become a process: each is looked at again after so long. */
const TRUSTED_MS = 60_000;
/**
 * Between two looks that lie further apart, all pids may have been given away once, of which a machine may have 32,768:
 * one that is still listed may be a process's by now.
 */
const LONGEST_GAP_MS = 10_000;

export const isKernelThread = (flags: number): boolean => (flags & PF_KTHREAD) !== 0;

/**
 * Linux: the pids of the kernel's own threads. They are never anybody's child but the kernel's, and a small machine has
 * more of them than of all else, so a look that measures does without them.
 */
export class KernelThreads {
  readonly #known = new Set<number>();
  readonly #monotonic: () => number;
  #trustedSince = -Infinity;
  #lookedAt = -Infinity;

  /** `monotonic`: milliseconds of a clock that never jumps. */
  constructor(monotonic: () => number = () => performance.now()) {
    this.#monotonic = monotonic;
  }

  add(pid: number): void {
    this.#known.add(pid);
  }

  /** Takes those that are known out of what a look is to read. */
  leaveOut(pids: Set<number>): void {
    const now = this.#monotonic();
    if (now - this.#lookedAt > LONGEST_GAP_MS || now - this.#trustedSince > TRUSTED_MS) {
      this.#known.clear();
      this.#trustedSince = now;
    }
    this.#lookedAt = now;
    for (const pid of this.#known) if (!pids.delete(pid)) this.#known.delete(pid);
  }
}
