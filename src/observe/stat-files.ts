/** Linux: the stat files of processes, proc_pid_stat(5). */
import { readSync } from 'node:fs';
import { KeptFiles } from './kept-files.js';

/** 52 numbers of at most 20 digits, and a name of at most 64 bytes (that of a kernel worker). */
const MOST_BYTES = 2048;

/**
 * It reads at once, as a thread would take five times as long to be asked. That is safe for stat: unlike cmdline it does
 * not wait for the process, whatever that does with its memory.
 */
export class StatFiles {
  readonly #files: KeptFiles;
  readonly #bytes = Buffer.allocUnsafe(MOST_BYTES);
  readonly #readFrom = (fd: number): Uint8Array => this.#bytes.subarray(0, readSync(fd, this.#bytes, 0, MOST_BYTES, 0));

  constructor(files: KeptFiles) {
    this.#files = files;
  }

  /**
   * The file's text, good until the next read; null where the process has gone or is not to be seen. `keep`: it is going
   * to be read again. Throws where the system cannot be asked.
   */
  read(pid: number, { keep = false } = {}): Uint8Array | null {
    return this.#files.use('stat', pid, this.#readFrom, keep);
  }
}
