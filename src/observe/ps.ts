import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ProcessId } from '../supervisors/contract.js';
import { treeOf } from './identity.js';
import type { ProcessFacts, ProcessSource } from './processes.js';

/**
 * One process a line: `pid ppid state lstart`, lstart being ctime(3)'s `Sat Nov 21 00:12:12 2026` in UTC.
 * `start` is that time in seconds, the finest that ps(1) tells on every POSIX system.
 */
export function parsePs(output: string): ProcessFacts[] {
  return output.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    const startedAtMs = match ? Date.parse(`${match[4]} UTC`) : Number.NaN;
    if (!match || Number.isNaN(startedAtMs) || match[3]!.startsWith('Z')) return [];
    const [pid, parent] = [Number(match[1]), Number(match[2])];
    return [{ pid, parent, start: startedAtMs / 1000, startedAtMs, threads: null, usage: null }];
  });
}

/** For systems without /proc: macOS and the BSDs. */
export class PsProcesses implements ProcessSource {
  async snapshot(): Promise<ReadonlyMap<number, ProcessFacts>> {
    return this.#list('-A');
  }

  async identify(pid: number): Promise<ProcessId | null> {
    const facts = (await this.#list('-p', String(pid))).get(pid);
    return facts ? { pid, start: facts.start } : null;
  }

  async tree(root: ProcessId): Promise<ProcessId[]> {
    return treeOf(root, await this.snapshot()).map(({ pid, start }) => ({ pid, start }));
  }

  async openFds(): Promise<null> {
    return null;
  }

  async #list(...which: string[]): Promise<Map<number, ProcessFacts>> {
    const { stdout } = await promisify(execFile)('ps', [...which, '-o', 'pid=,ppid=,state=,lstart='], {
      // An hour that summer time gives twice would be two times in one.
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
      maxBuffer: 64 * 2 ** 20,
    }).catch((error: Error & { code?: number | string; stdout?: string; stderr?: string }) => {
      if (error.code === 1 && !error.stderr) return { stdout: '' }; // no such process
      throw error;
    });
    return new Map(parsePs(stdout).map((facts) => [facts.pid, facts]));
  }
}
