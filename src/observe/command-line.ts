/** What a process was started as (Linux: proc(5)). */
import { readFile, readlink } from 'node:fs/promises';

export interface CommandLine {
  cwd: string;
  words: string[];
}

/** Throws where it is not to be had: on other systems, of another user's process, of one that has gone. */
export async function commandLineOf(pid: number): Promise<CommandLine> {
  const [cwd, text] = await Promise.all([readlink(`/proc/${pid}/cwd`), readFile(`/proc/${pid}/cmdline`, 'utf8')]);
  return { cwd, words: wordsOf(text) };
}

/** Split at NUL; a process that gave itself a title, as under PM2 and npm, has put it there in one piece. */
export function wordsOf(commandLine: string): string[] {
  const words = commandLine.split('\0').filter((word) => word.trim() !== '');
  return words.length === 1 ? words[0]!.trim().split(/\s+/) : words;
}
