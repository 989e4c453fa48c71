/** The kernel's log, as far as this user may read it: whom its out-of-memory killer has killed. Linux alone has it. */
import { closeSync, constants, openSync, readlinkSync, readSync } from 'node:fs';

/** Of the first pid namespace, PROC_INIT_PID_INO of linux/proc_ns.h: the kernel's log names processes as they are there. */
const FIRST_PID_NAMESPACE = 'pid:[4026531836]';
/** Bytes of a record, CONSOLE_EXT_LOG_MAX of the kernel's printk; one read gives one record. */
const RECORD_BYTES = 8192;

/** Pure: the pid of the process that a record of /dev/kmsg says was killed for want of memory; null where it says else. */
export function victimOf(record: string): number | null {
  // PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;MESSAGE (Documentation/ABI/testing/dev-kmsg). The words are those of
  // mm/oom_kill.c since 5.3; before that `Killed process 7 (node) total-vm:…` stood alone.
  const message = record.slice(record.indexOf(';') + 1);
  const pid = /^(?:(?:Memory cgroup out|Out) of memory[^:]*: )?Killed process (\d+)[ ,]/.exec(message)?.[1];
  return pid === undefined ? null : Number(pid);
}

export class KernelLog {
  readonly #path: string;
  /** undefined until it has been asked for the first time. */
  #fd: number | null | undefined;
  readonly #record = Buffer.alloc(RECORD_BYTES);

  constructor(path = '/dev/kmsg') {
    this.#path = path;
  }

  /** Pids of the processes killed since this was last asked, at first none; null where the log may not be read. */
  victims(): number[] | null {
    const isFirst = this.#fd === undefined;
    const all = this.#read();
    return isFirst && all ? [] : all;
  }

  close(): void {
    if (typeof this.#fd === 'number') closeSync(this.#fd);
    this.#fd = null;
  }

  #read(): number[] | null {
    this.#fd ??= this.#fd === undefined && namesOurPids() ? opened(this.#path) : null;
    if (this.#fd === null) return null;
    const victims: number[] = [];
    for (let record = this.#next(this.#fd); record !== null; record = this.#next(this.#fd)) {
      const victim = victimOf(record);
      if (victim !== null) victims.push(victim);
    }
    return victims;
  }

  /** Never waits. '' for what was overwritten before it could be read; null at the end. */
  #next(fd: number): string | null {
    try {
      const bytes = readSync(fd, this.#record);
      return bytes === 0 ? null : this.#record.toString('utf8', 0, bytes);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EPIPE' ? '' : null;
    }
  }
}

function namesOurPids(): boolean {
  try {
    return readlinkSync('/proc/self/ns/pid') === FIRST_PID_NAMESPACE;
  } catch {
    return false;
  }
}

/** It takes CAP_SYSLOG where kernel.dmesg_restrict is 1. */
function opened(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
}
