import { readFile, rename, writeFile } from 'node:fs/promises';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { ProcessId, ProcessTable } from './contract.js';
import { stopTree } from './stop.js';

interface LeftoverParts {
  processes: ProcessTable;
  clock: Clock;
  log: Log;
}

/** On disk: `{ boot, apps: { APP: [{ pid, start }] } }`. Start times count from boot: that of another names nobody. */
interface Running {
  boot: string;
  apps: Map<string, ProcessId[]>;
}

/**
 * Which child processes this warden runs, on disk: a warden that was killed leaves them behind as orphans, and the
 * next one must stop exactly these before it starts its own.
 */
export class Leftovers {
  readonly #path: string;
  readonly #parts: LeftoverParts;
  readonly #boot: string;
  readonly #found: Map<string, ProcessId[]>;
  readonly #running = new Map<string, ProcessId[]>();
  #last: Promise<void> = Promise.resolve();
  #writable = true;

  private constructor(path: string, { boot, apps }: Running, parts: LeftoverParts) {
    this.#path = path;
    this.#boot = boot;
    this.#found = apps;
    this.#parts = parts;
  }

  static async open(path: string, parts: LeftoverParts): Promise<Leftovers> {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').then((id) => id.trim(), () => '');
    const found = await readFile(path, 'utf8').then(parseRunning, (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? { boot, apps: new Map() } : null,
    );
    if (!found) parts.log.warn(`${path} cannot be read; processes of an earlier heapwarden may still run`);
    return new Leftovers(path, { boot, apps: found?.boot === boot ? found.apps : new Map() }, parts);
  }

  /** Apps that an earlier warden ran and whose processes have not been looked after yet. */
  get apps(): string[] {
    return [...this.#found.keys()];
  }

  /** Stops what an earlier warden left of this app. Never rejects: where that fails, the log says so. */
  async stop(app: string, stopTimeoutMs: number): Promise<void> {
    await Promise.all((this.#found.get(app) ?? []).map((id) => this.#stop(app, id, stopTimeoutMs)));
    this.#found.delete(app);
  }

  /** Resolves when it is on disk, or the log has said why it is not. */
  remember(app: string, ids: ProcessId[]): Promise<void> {
    if (ids.length > 0) this.#running.set(app, ids);
    else this.#running.delete(app);
    this.#last = this.#last.then(() => this.#write());
    return this.#last;
  }

  async #stop(app: string, id: ProcessId, stopTimeoutMs: number): Promise<void> {
    const { processes, clock, log } = this.#parts;
    try {
      const outcome = await stopTree(id, { processes, clock, stopTimeoutMs, ownsGroup: true });
      if (outcome === 'gone') return;
      log.warn(`${app}: stopped process ${id.pid}, left behind by an earlier heapwarden`, { app });
    } catch (error) {
      const what = `${app}: process ${id.pid}, left behind by an earlier heapwarden, could not be stopped`;
      log.error(`${what}: ${messageOf(error)}`, { app });
    }
  }

  async #write(): Promise<void> {
    const draft = `${this.#path}.new`;
    const apps = Object.fromEntries([...this.#found, ...this.#running]);
    try {
      await writeFile(draft, JSON.stringify({ boot: this.#boot, apps }), { mode: 0o600 });
      await rename(draft, this.#path);
      this.#writable = true;
    } catch (error) {
      const why = `${this.#path} cannot be written: ${messageOf(error)}`;
      if (this.#writable) this.#parts.log.error(`${why}; if heapwarden is killed, its apps will outlive it`);
      this.#writable = false;
    }
  }
}

/** Null for anything else than what #write writes. */
function parseRunning(text: string): Running | null {
  try {
    const { boot, apps } = JSON.parse(text) as { boot: unknown; apps: { [app: string]: ProcessId[] } };
    const lists = new Map(Object.entries(apps));
    const whole = [...lists.values()].every((ids) => Array.isArray(ids) && ids.every(isProcessId));
    return typeof boot === 'string' && whole ? { boot, apps: lists } : null;
  } catch {
    return null;
  }
}

function isProcessId({ pid, start }: ProcessId): boolean {
  return Number.isInteger(pid) && pid > 1 && Number.isFinite(start);
}
