import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { formatElapsed } from '../units.js';
import { isAlive } from './alive.js';
import type { ProcessId, ProcessTable } from './contract.js';

/** Milliseconds in which a killed process is gone, and PM2 has seen it (it looks every 100 ms). */
export const KILL_MARGIN_MS = 2000;
const POLL_MS = 20;

export interface FamilyParts {
  /** The app's name in PM2. */
  name: string;
  processes: ProcessTable;
  clock: Clock;
  log: Log;
}

/** A process and its descendants, whom PM2 is about to stop: it may leave some of them behind. */
export class Family {
  /** null where there was no process. */
  readonly root: ProcessId | null;
  readonly killed: ProcessId[] = [];
  readonly #members: readonly ProcessId[];
  readonly #parts: FamilyParts;

  private constructor(root: ProcessId | null, members: readonly ProcessId[], parts: FamilyParts) {
    this.root = root;
    this.#members = members;
    this.#parts = parts;
  }

  /** As it is now. */
  static async of(pid: number | null, parts: FamilyParts): Promise<Family> {
    const root = pid === null ? null : await parts.processes.identify(pid);
    return new Family(root, root ? await parts.processes.tree(root) : [], parts);
  }

  /** When the root had gone, by the clock that never jumps; null where it outlives `signal`, or was never there. */
  async rootGoneAt(signal: AbortSignal): Promise<number | null> {
    const { clock } = this.#parts;
    if (!this.root) return null;
    for (;;) {
      // An abort is heeded after one more look: it comes when PM2 is done.
      const last = signal.aborted;
      if (!(await this.#lives(this.root))) return clock.monotonic();
      if (last) return null;
      await clock.sleep(POLL_MS, signal);
    }
  }

  /** Kills them after `ms`, unless `signal` aborts before that. */
  async killAfter(ms: number, signal: AbortSignal): Promise<void> {
    await this.#parts.clock.sleep(ms, signal);
    if (!signal.aborted) await this.kill();
  }

  /** Kills what still lives of them, and their children by now. */
  async kill(): Promise<void> {
    const { processes, log, name } = this.#parts;
    const victims = new Map<number, ProcessId>();
    for (const member of this.#members) {
      if (!(await this.#lives(member))) continue;
      for (const victim of await processes.tree(member)) victims.set(victim.pid, victim);
    }
    for (const victim of victims.values()) {
      if (!(await this.#lives(victim))) continue;
      try {
        process.kill(victim.pid, 'SIGKILL');
        this.killed.push(victim);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') continue;
        log.warn(`cannot kill what is left of "${name}": ${messageOf(error)}`, { app: name, pid: victim.pid });
      }
    }
  }

  /** Resolves when those that were killed have gone; after KILL_MARGIN_MS it says who has not. */
  async killedAreGone(signal: AbortSignal): Promise<void> {
    const { clock, log, name } = this.#parts;
    const deadline = clock.monotonic() + KILL_MARGIN_MS;
    for (const id of this.killed) {
      while (await this.#lives(id)) {
        signal.throwIfAborted();
        if (clock.monotonic() >= deadline) {
          const waited = formatElapsed(KILL_MARGIN_MS);
          return log.warn(`what is left of "${name}" outlives SIGKILL for ${waited}`, { app: name, pid: id.pid });
        }
        await clock.sleep(POLL_MS, signal);
      }
    }
  }

  #lives(id: ProcessId): Promise<boolean> {
    return isAlive(id, this.#parts.processes);
  }
}
