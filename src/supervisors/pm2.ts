import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type {
  Drain, Ending, ProcessTable, RestartOptions, RestartReport, Slot, SlotState, Supervisor,
} from './contract.js';
import { placeSlots } from './place-slots.js';
import { NOT_DRAINED } from './drain.js';
import { Pm2Bus } from './pm2-bus.js';
import { Pm2Endings } from './pm2-endings.js';
import { GracefulRestarts } from './pm2-graceful.js';
import { saysReady } from './pm2-ready.js';
import { restartByPm2, type Pm2Parts } from './pm2-restart.js';
import { Pm2Client, type Pm2Process } from './pm2-rpc.js';

/** Where PM2 keeps its sockets: `$PM2_HOME`, else `~/.pm2` (PM2's paths.js). */
export function pm2Home(env: NodeJS.ProcessEnv, homedir: string): string {
  return env['PM2_HOME'] || join(homedir, '.pm2');
}

const STATES: Record<string, SlotState> = {
  online: 'running',
  launching: 'starting',
  'waiting restart': 'starting',
  errored: 'crash_loop',
};

/**
 * What PM2 itself is about to do in these states. It refuses a restart then, but only after it has dropped the app's
 * cron job and its restart delay, so it is not asked.
 */
const BUSY: Record<string, string> = {
  stopping: 'PM2 is stopping it already',
  'waiting restart': 'PM2 starts it by itself when its restart delay is over',
};

const START_HINT = 'start it with "pm2 start", its name being the one in heapwarden.yml';

export interface Pm2Options {
  /** The app's name in PM2; every process of that name is a worker. */
  name: string;
  /** PM2_HOME, see pm2Home. */
  home: string;
  processes: ProcessTable;
  clock: Clock;
  log: Log;
  /** Milliseconds that PM2 has for an answer, apart from the stopping; default 5000. */
  timeoutMs?: number;
  /** For several apps of one PM2, so that one list serves all; its owner closes it. By default one of its own. */
  client?: Pm2Client;
  /** By default nobody can be asked to finish its requests. */
  drain?: Drain;
  /** Milliseconds to wait for the app's `ready` message, or null where the config does not ask for it; the default. */
  readyMessageMs?: () => number | null;
}

/**
 * An app under PM2, in fork or cluster mode. A graceful restart in cluster mode is described in pm2-graceful.ts; in
 * fork mode PM2 must stop the old process before it can start the new one.
 *
 * Of PM2's ways, these matter to whoever reads its figures:
 * - A restart asked of PM2 counts in its restart column, and sets `unstable_restarts` and the restart delay back to
 *   zero: it ends a crash loop, and PM2's own max_restarts does not see ours.
 * - PM2 stops a process with SIGINT and kills it after its own `kill_timeout` (1.6 s unless configured); we do after
 *   stopTimeoutMs. The shorter of the two ends it: to give an app longer, raise both.
 * - Its `max_memory_restart` acts on its own, every 30 s, and its restarts are not ours.
 */
export class Pm2Supervisor implements Supervisor {
  readonly kind = 'pm2';
  readonly #options: Pm2Options;
  readonly #client: Pm2Client;
  readonly #parts: Pm2Parts;
  readonly #graceful: GracefulRestarts;
  readonly #endings: Pm2Endings;
  #placed = new Map<number, number>();
  #standIns: number[] = [];

  constructor(options: Pm2Options) {
    this.#options = options;
    this.#client = options.client ?? new Pm2Client(options);
    this.#endings = new Pm2Endings(options);
    const own = { client: this.#client, endings: this.#endings };
    this.#parts = { drain: async () => NOT_DRAINED, readyMessageMs: () => null, ...options, ...own };
    this.#graceful = new GracefulRestarts(this.#parts);
  }

  /** Starts nothing: PM2 and its apps are their owner's. Tells the log where there is nothing to watch yet. */
  async start(): Promise<void> {
    const { name, log } = this.#options;
    try {
      const found = this.#place(await this.#client.list());
      if (found.size === 0) log.warn(`PM2 has no process named "${name}" yet; ${START_HINT}`, { app: name });
    } catch (error) {
      log.warn(messageOf(error), { app: name });
    }
  }

  async slots(): Promise<Slot[]> {
    const list = await this.#client.list();
    this.#graceful.sweep(list);
    const found = this.#place(list);
    await this.#endings.look(found);
    if (found.size === 0) return [{ worker: '0', pid: null, state: 'stopped' }];
    return [...found]
      .toSorted(([a], [b]) => a - b)
      .map(([slot, { pid, status }]) => ({ worker: String(slot), pid, state: STATES[status] ?? 'stopped' }));
  }

  beside(): readonly number[] {
    return this.#standIns;
  }

  endings(): Promise<Ending[]> {
    return this.#endings.take();
  }

  /**
   * Where the config asks for PM2's `ready` message, the report says whether it came. Rejects with the signal's reason
   * where that aborts.
   */
  async restart(worker: string, options: RestartOptions): Promise<RestartReport> {
    options.signal.throwIfAborted();
    const target = this.#find(worker, await this.#client.listNow());
    const bus = new Pm2Bus(this.#client, this.#options.name);
    try {
      const canOverlap = target.clustered && target.status === 'online' && target.pid !== null;
      if (options.mode === 'graceful' && canOverlap) return await this.#graceful.restart(target, options, bus);
      const report = await restartByPm2(target, options, bus, this.#parts);
      this.#graceful.release(target.pmId);
      const asks = this.#parts.readyMessageMs() !== null;
      return { ...report, ready: asks ? await saysReady(target.pmId, bus, this.#parts, options.signal) : null };
    } finally {
      bus.close();
    }
  }

  async close(): Promise<void> {
    if (!this.#options.client) this.#client.close();
  }

  /** The app's processes by slot. A stand-in has none: it is there for a moment, in another one's place. */
  #place(list: readonly Pm2Process[]): Map<number, Pm2Process> {
    const named = list.filter(({ name }) => name === this.#options.name);
    this.#standIns = named.flatMap(({ standsInFor, pid }) => (standsInFor === null || pid === null ? [] : pid));
    const mine = named.filter(({ standsInFor }) => standsInFor === null);
    // Not the ids themselves: PM2 counts them up for as long as its daemon lives.
    this.#placed = placeSlots(this.#placed, mine.map(({ pmId }) => pmId).toSorted((a, b) => a - b));
    return new Map(mine.map((found) => [this.#placed.get(found.pmId)!, found]));
  }

  #find(worker: string, list: readonly Pm2Process[]): Pm2Process {
    const { name } = this.#options;
    const found = this.#place(list);
    const target = found.get(Number(worker));
    const refuse = (why: string) => new HeapwardenError('SUPERVISOR_REFUSED', `PM2 cannot restart "${name}": ${why}`);
    if (target && String(Number(worker)) === worker) {
      const busy = BUSY[target.status];
      if (busy) throw refuse(`${busy} (pm_id ${target.pmId}, ${target.status})`);
      return target;
    }
    if (found.size === 0 && worker === '0') throw refuse(`it has no process of that name; ${START_HINT}`);
    throw new HeapwardenError('UNKNOWN_WORKER', `"${name}" has no worker "${worker}" in PM2`);
  }
}
