import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { ProcessId, ProcessTable } from './contract.js';
import { stopTree } from './stop.js';

interface Record {
  /** Start times count from boot: a record of another boot names nobody. */
  boot: string;
  apps: { [app: string]: ProcessId[] };
}

/**
 * Which child processes this warden runs, on disk: a warden that was killed leaves them behind as orphans, and the
 * next one must stop exactly these before it starts its own.
 */
export class Leftovers {
  readonly #path: string;
  readonly #parts: { processes: ProcessTable; clock: Clock; log: Log };
  readonly #boot: string;
  #found: Record['apps'];
  readonly #running: Record['apps'] = {};
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string, boot: string, found: Record['apps'], parts: { processes: ProcessTable; clock: Clock; log: Log }) {
    this.#path = path;
    this.#boot = boot;
    this.#found = found;
    this.#parts = parts;
  }

  static async open(path: string, parts: { processes: ProcessTable; clock: Clock; log: Log }): Promise<Leftovers> {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').then((id) => id.trim(), () => '');
    const text = await readFile(path, 'utf8').catch(() => null);
    const record = text === null ? null : parseRecord(text);
    if (text !== null && !record) parts.log.warn(`${path} cannot be read; processes of an earlier heapwarden may still run`);
    return new Leftovers(path, boot, record?.boot === boot ? record.apps : {}, parts);
  }

  /** Apps that an earlier warden ran and whose processes have not been looked after yet. */
  get apps(): string[] {
    return Object.keys(this.#found);
  }

  /** Stops what an earlier warden left of this app. */
  async stop(app: string, stopTimeoutMs: number): Promise<void> {
    const { processes, clock, log } = this.#parts;
    const ids = this.#found[app] ?? [];
    delete this.#found[app];
    for (const id of ids) {
      const outcome = await stopTree(id, { processes, clock, stopTimeoutMs, ownsGroup: true });
      if (outcome !== 'gone') log.warn(`${app}: stopped process ${id.pid}, left behind by an earlier heapwarden`, { app });
    }
  }

  /** Resolves when it is on disk. */
  remember(app: string, ids: ProcessId[]): Promise<void> {
    if (ids.length > 0) this.#running[app] = ids;
    else delete this.#running[app];
    this.#last = this.#last.then(() => this.#write());
    return this.#last;
  }

  async #write(): Promise<void> {
    const draft = `${this.#path}.new`;
    const record: Record = { boot: this.#boot, apps: { ...this.#found, ...this.#running } };
    try {
      await writeFile(draft, JSON.stringify(record), { mode: 0o600 });
      await rename(draft, this.#path);
    } catch (error) {
      this.#parts.log.error(`${this.#path} cannot be written: ${messageOf(error)}; if heapwarden is killed, its apps will outlive it`);
    }
  }
}

function parseRecord(text: string): Record | null {
  try {
    const { boot, apps } = JSON.parse(text) as Partial<Record>;
    const lists = Object.values(apps ?? {});
    const whole = lists.every((ids) => Array.isArray(ids) && ids.every(({ pid, start }) => Number.isInteger(pid) && pid > 1 && Number.isFinite(start)));
    return typeof boot === 'string' && apps && whole ? { boot, apps } : null;
  } catch {
    return null;
  }
}
