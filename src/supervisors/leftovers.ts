/** Only Linux has an id of each boot, and needs it: elsewhere start times are times of day. */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { readOwn, replaceOwn } from '../own-files.js';
import type { ProcessId, ProcessTable } from './contract.js';
import { stopTree } from './stop.js';

interface LeftoverParts {
  processes: ProcessTable;
  clock: Clock;
  log: Log;
}

/**
 * On disk: `{ boot, apps: { APP: [{ pid, start }] }, starting: { APP: [mark] } }`. Start times count from boot: that of
 * another names nobody.
 */
interface Running {
  boot: string;
  apps: Map<string, ProcessId[]>;
  /** Marks of processes that may have been started, and whose pids were not known yet. */
  starting: Map<string, string[]>;
}

/** A process that is being started finds its mark in this variable. */
export const MARK_VARIABLE = 'HEAPWARDEN_START';

/** How a process is found again whose warden dies before it has written down its pid. */
export function markedEnvironment(mark: string): NodeJS.ProcessEnv {
  return { [MARK_VARIABLE]: mark };
}

/**
 * Which child processes this warden runs, on disk: a warden that was killed leaves them behind as orphans, and the
 * next one must stop exactly these before it starts its own.
 */
export class Leftovers {
  readonly #path: string;
  readonly #parts: LeftoverParts;
  readonly #boot: string;
  readonly #found: Running;
  readonly #running = new Map<string, ProcessId[]>();
  readonly #starting = new Map<string, string[]>();
  #last: Promise<void> = Promise.resolve();
  /** A write that has not begun, and so will hold whatever is told until then; null: none waits. */
  #next: Promise<void> | null = null;
  #writable = true;

  private constructor(path: string, found: Running, parts: LeftoverParts) {
    this.#path = path;
    this.#boot = found.boot;
    this.#found = found;
    this.#parts = parts;
  }

  static async open(path: string, parts: LeftoverParts): Promise<Leftovers> {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').then((id) => id.trim(), () => '');
    const nothing = { boot, apps: new Map(), starting: new Map() };
    const found = await readOwn(path).then((bytes) => parseRunning(String(bytes)), (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? nothing : null,
    );
    if (!found) parts.log.warn(`${path} cannot be read; processes of an earlier heapwarden may still run`);
    return new Leftovers(path, found?.boot === boot ? found : nothing, parts);
  }

  /** Apps that an earlier warden ran and whose processes have not been looked after yet. */
  get apps(): string[] {
    return [...new Set([...this.#found.apps.keys(), ...this.#found.starting.keys()])];
  }

  /** Stops what an earlier warden left of this app. Never rejects: where that fails, the log says so. */
  async stop(app: string, stopTimeoutMs: number): Promise<void> {
    const ids = [...(this.#found.apps.get(app) ?? []), ...(await this.#marked(app))];
    await Promise.all(ids.map((id) => this.#stop(app, id, stopTimeoutMs)));
    this.#found.apps.delete(app);
    this.#found.starting.delete(app);
  }

  /** What the app runs now, and the marks of what is being started. Resolves when it is on disk, or the log has said why it is not. */
  remember(app: string, ids: ProcessId[], starting: string[] = []): Promise<void> {
    keep(this.#running, app, ids);
    keep(this.#starting, app, starting);
    // One write for all that change meanwhile: a thousand workers started at once would each wait for all before them.
    this.#next ??= this.#last.then(() => {
      this.#next = null;
      return this.#write();
    });
    this.#last = this.#next;
    return this.#next;
  }

  /** What could not be written is written now, if it can be: nobody else may come by for days. */
  async retry(): Promise<void> {
    if (this.#writable) return;
    this.#last = this.#last.then(() => (this.#writable ? undefined : this.#write()));
    await this.#last;
  }

  /** Processes that were started just before their warden died: it had not come to write down their pids. */
  async #marked(app: string): Promise<ProcessId[]> {
    const marks = this.#found.starting.get(app) ?? [];
    const look = (mark: string) => this.#parts.processes.startedWith?.(`${MARK_VARIABLE}=${mark}`).catch(() => []);
    return (await Promise.all(marks.map(look))).flatMap((ids) => ids ?? []);
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
    const apps = Object.fromEntries([...this.#found.apps, ...this.#running]);
    const starting = Object.fromEntries([...this.#found.starting, ...this.#starting]);
    try {
      await replaceOwn(this.#path, [JSON.stringify({ boot: this.#boot, apps, starting })]);
      this.#writable = true;
    } catch (error) {
      const why = `${this.#path} cannot be written: ${messageOf(error)}`;
      if (this.#writable) this.#parts.log.error(`${why}; if heapwarden is killed, its apps will outlive it`);
      this.#writable = false;
    }
  }
}

interface Written {
  boot: unknown;
  apps: { [app: string]: ProcessId[] };
  /** Missing in files of an older version. */
  starting?: { [app: string]: string[] };
}

function keep<T>(lists: Map<string, T[]>, app: string, list: T[]): void {
  if (list.length > 0) lists.set(app, list);
  else lists.delete(app);
}

/** Null for anything else than what #write writes. */
function parseRunning(text: string): Running | null {
  try {
    const { boot, apps, starting = {} } = JSON.parse(text) as Written;
    const lists = new Map(Object.entries(apps));
    const marks = new Map(Object.entries(starting));
    const whole =
      [...lists.values()].every((ids) => Array.isArray(ids) && ids.every(isProcessId)) &&
      [...marks.values()].every((list) => Array.isArray(list) && list.every((mark) => typeof mark === 'string'));
    return typeof boot === 'string' && whole ? { boot, apps: lists, starting: marks } : null;
  } catch {
    return null;
  }
}

function isProcessId({ pid, start }: ProcessId): boolean {
  return Number.isInteger(pid) && pid > 1 && Number.isFinite(start);
}
