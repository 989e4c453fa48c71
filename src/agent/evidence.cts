import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { AllocationProfiler } from './profiler.cjs';
import { EVIDENCE_FILES, MAX_LACKS, MAX_LACK_LENGTH, type EvidenceFile } from './protocol.cjs';
import { diagnosticReport } from './report.cjs';
import { writeSnapshot } from './snapshot.cjs';
import type { Threads } from './threads.cjs';

/** What this process can tell of itself before it is stopped. All of it holds the app while it is made. */
export class Evidence {
  readonly #profiler = new AllocationProfiler();
  readonly #threads: Threads;

  constructor(threads: Threads) {
    this.#threads = threads;
  }

  /** Samples allocations from now on, or no more. Does not throw: why it failed is told when the profile is asked for. */
  profile(on: boolean): void {
    if (on) this.#profiler.start();
    else this.#profiler.stop();
  }

  /** Writes the files into a folder that the warden has made. Why one is not there, in a sentence each; never throws. */
  gather(folder: string, files: readonly EvidenceFile[]): string[] {
    const lacks: string[] = [];
    for (const file of EVIDENCE_FILES) {
      if (!files.includes(file)) continue;
      const why = this.#write(folder, file);
      if (why !== null) lacks.push(`no ${file}: ${why}`.slice(0, MAX_LACK_LENGTH));
    }
    return lacks.slice(0, MAX_LACKS);
  }

  #write(folder: string, file: EvidenceFile): string | null {
    try {
      const path = join(folder, file);
      if (file === 'heap.heapsnapshot') {
        whole(path, writeSnapshot);
      } else {
        const text = JSON.stringify(file === 'report.json' ? diagnosticReport(this.#threads) : this.#profiler.take());
        whole(path, (unfinished) => writeText(unfinished, text));
      }
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

/** Under another name until it is whole, so that what has its name is never half a file, nor an empty one. */
function whole(path: string, write: (unfinished: string) => void): void {
  const unfinished = `${path}.unfinished`;
  try {
    write(unfinished);
    if (statSync(unfinished).size === 0) throw new Error('it came out empty');
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

function writeText(path: string, text: string): void {
  const fd = openSync(path, 'wx', 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  } finally {
    closeSync(fd);
  }
}
