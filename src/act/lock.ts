import { link, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HeapwardenError } from '../errors.js';
import { createOwn, readOwn } from '../own-files.js';
import { isAlive } from '../supervisors/alive.js';
import type { ProcessId, ProcessTable } from '../supervisors/contract.js';
import { makeStateFolder, stateUnwritable } from './state-folder.js';

const LOCK_FILE = 'warden.lock';

/**
 * One warden a state folder: a second one would take the first one's apps for leftovers of a dead warden, and stop
 * them. The file holds the warden's pid and start time, so that a dead one's lock is no lock.
 */
export class StateLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Throws HeapwardenError STATE_IN_USE or STATE_UNWRITABLE. */
  static async take(stateDir: string, processes: ProcessTable): Promise<StateLock> {
    const path = join(stateDir, LOCK_FILE);
    const draft = `${path}.${process.pid}`;
    try {
      await makeStateFolder(stateDir);
      const file = await createOwn(draft);
      await file.appendFile(JSON.stringify(await processes.identify(process.pid))).finally(() => file.close());
      for (;;) {
        // A link is made with its content or not at all: nobody ever sees a lock without a holder.
        const taken = await link(draft, path).then(() => true, (error: NodeJS.ErrnoException) => {
          if (error.code === 'EEXIST') return false;
          throw error;
        });
        if (taken) return new StateLock(path);
        const holder = (await holderOf(path, processes)) ?? (await setAside(path, processes));
        if (holder !== null) {
          throw new HeapwardenError(
            'STATE_IN_USE',
            `another heapwarden (pid ${holder}) uses the state folder ${stateDir}. ` +
              'Stop it first, or give this one a state_dir of its own in the config',
          );
        }
      }
    } catch (error) {
      if (error instanceof HeapwardenError) throw error;
      throw stateUnwritable(stateDir, error);
    } finally {
      await rm(draft, { force: true }).catch(() => {}); // there is no such folder
    }
  }

  /** Pid of the warden that uses this state folder; null where there is none. Touches nothing. */
  static holder(stateDir: string, processes: ProcessTable): Promise<number | null> {
    return holderOf(join(stateDir, LOCK_FILE), processes);
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

/**
 * Takes a dead warden's lock away. Another warden may have done so, and taken the lock, since it was looked at: then
 * that one's is put back, and its pid is the answer; else null.
 */
async function setAside(path: string, processes: ProcessTable): Promise<number | null> {
  const aside = `${path}.${process.pid}.dead`;
  const isMine = await rename(path, aside).then(() => true, (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return false; // somebody else has done it
    throw error;
  });
  if (!isMine) return null;
  const holder = await holderOf(aside, processes);
  if (holder !== null) await link(aside, path);
  await rm(aside, { force: true });
  return holder;
}

/** Pid of the warden that holds it; null where that one has gone, or where nothing readable is in it. */
async function holderOf(path: string, processes: ProcessTable): Promise<number | null> {
  const text = await readOwn(path).then(String, () => '');
  const holder = parseHolder(text);
  return holder && holder.pid !== process.pid && (await isAlive(holder, processes)) ? holder.pid : null;
}

function parseHolder(text: string): ProcessId | null {
  try {
    const { pid, start } = JSON.parse(text) as Partial<ProcessId>;
    return typeof pid === 'number' && typeof start === 'number' ? { pid, start } : null;
  } catch {
    return null;
  }
}
