/** PF_KTHREAD of include/linux/sched.h, in the ninth field of /proc/PID/stat. */
const PF_KTHREAD = 0x0020_0000;
/**
 * Then each is looked at again: its pid may be a process's by now, unseen if between two looks all pids were given away
 * once, and before Linux 5.19 a thread of the kernel could itself become one.
 */
const LOOKS_UNTIL_FORGOTTEN = 16;

export const isKernelThread = (flags: number): boolean => (flags & PF_KTHREAD) !== 0;

/**
 * Linux: the pids of the kernel's own threads. They are never anybody's child but the kernel's, and a small machine has
 * more of them than of all else, so a look does without them.
 */
export class KernelThreads {
  readonly #known = new Set<number>();
  #looks = 0;

  add(pid: number): void {
    this.#known.add(pid);
  }

  /** Takes those that are known out of what a look is to read. */
  leaveOut(pids: Set<number>): void {
    this.#looks += 1;
    if (this.#looks % LOOKS_UNTIL_FORGOTTEN === 0) this.#known.clear();
    for (const pid of this.#known) if (!pids.delete(pid)) this.#known.delete(pid);
  }
}
