/** What a process was started as (Linux: proc(5)). */
import { open, readlink } from 'node:fs/promises';

export interface CommandLine {
  cwd: string;
  words: string[];
}

/** Throws where it is not to be had: on other systems, of another user's process, of one that has gone. */
export async function commandLineOf(pid: number): Promise<CommandLine> {
  const [cwd, text] = await Promise.all([readlink(`/proc/${pid}/cwd`), readCommandLine(pid)]);
  return { cwd, words: wordsOf(text) };
}

/** Most command lines are shorter: one read tells all, and its bytes come out of Node's pool of buffers. */
const BYTES_AT_ONCE = 2048;
/** execve(2) takes 6 MiB at most; prctl(2) lets a process say that its own is longer than our memory. */
const MOST_READS = 4096;

/**
 * The text of /proc/PID/cmdline, a NUL behind each word. Of a file without a size, fs.readFile reads into 64 KiB each
 * time, which at a hundred files a second is what brings most garbage collections about. Throws as open and read do.
 */
export async function readCommandLine(pid: number): Promise<string> {
  const file = await open(`/proc/${pid}/cmdline`);
  try {
    const parts: Buffer[] = [];
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(BYTES_AT_ONCE), 0, BYTES_AT_ONCE, null);
      parts.push(buffer.subarray(0, bytesRead));
      // The kernel gives as much of it as there is room for (fs/proc/base.c, get_mm_cmdline).
      if (bytesRead < BYTES_AT_ONCE || parts.length === MOST_READS) return Buffer.concat(parts).toString('utf8');
    }
  } finally {
    await file.close();
  }
}

/** Split at NUL; a process that gave itself a title, as under PM2 and npm, has put it there in one piece. */
export function wordsOf(commandLine: string): string[] {
  const words = commandLine.split('\0').filter((word) => word.trim() !== '');
  return words.length === 1 ? words[0]!.trim().split(/\s+/) : words;
}
