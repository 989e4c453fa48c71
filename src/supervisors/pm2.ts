import { join } from 'node:path';
import type { Clock } from '../clock.js';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { formatElapsed } from '../units.js';
import { isAlive } from './alive.js';
import type {
  ProcessId, ProcessTable, RestartOptions, RestartReport, Slot, SlotState, StopOutcome, Supervisor,
} from './contract.js';
import { Pm2Client, type Pm2Process } from './pm2-rpc.js';

/** Where PM2 keeps its sockets: `$PM2_HOME`, else `~/.pm2` (PM2's paths.js). */
export function pm2Home(env: NodeJS.ProcessEnv, homedir: string): string {
  return env['PM2_HOME'] || join(homedir, '.pm2');
}

/**
 * The slot of each PM2 id: those known before keep theirs, a new one takes the lowest that is free. A slot is not the
 * id itself, since PM2 counts ids up for as long as its daemon lives.
 */
export function placeSlots(before: ReadonlyMap<number, number>, pmIds: readonly number[]): Map<number, number> {
  const placed = new Map([...before].filter(([pmId]) => pmIds.includes(pmId)));
  const taken = new Set(placed.values());
  for (const pmId of pmIds.toSorted((a, b) => a - b)) {
    if (placed.has(pmId)) continue;
    let slot = 0;
    while (taken.has(slot)) slot++;
    taken.add(slot);
    placed.set(pmId, slot);
  }
  return placed;
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

/** Milliseconds in which a killed process is gone, and PM2 has seen it (it looks every 100 ms). */
const KILL_MARGIN_MS = 2000;
const POLL_MS = 20;

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
}

/**
 * An app under PM2, in fork or cluster mode.
 *
 * Of PM2's ways, these matter to whoever reads its figures:
 * - A restart asked of PM2 counts in its restart column, and sets `unstable_restarts` and the restart delay back to
 *   zero: it ends a crash loop, and PM2's own max_restarts does not see ours.
 * - PM2 stops a process with SIGINT and kills it after its own `kill_timeout` (1.6 s unless configured), whatever
 *   stopTimeoutMs says; stopTimeoutMs is what we add on top. Raise kill_timeout in PM2 to give an app longer.
 * - Its `max_memory_restart` acts on its own, every 30 s, and its restarts are not ours.
 */
export class Pm2Supervisor implements Supervisor {
  readonly kind = 'pm2';
  readonly #options: Pm2Options;
  readonly #client: Pm2Client;
  #placed = new Map<number, number>();

  constructor(options: Pm2Options) {
    this.#options = options;
    this.#client = options.client ?? new Pm2Client(options);
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
    const found = this.#place(await this.#client.list());
    if (found.size === 0) return [{ worker: '0', pid: null, state: 'stopped' }];
    return [...found]
      .toSorted(([a], [b]) => a - b)
      .map(([slot, { pid, status }]) => ({ worker: String(slot), pid, state: STATES[status] ?? 'stopped' }));
  }

  /**
   * Asks PM2 to restart one of its ids, without a word on environment or settings, which therefore stay. What is left
   * of the old process and its children after stopTimeoutMs, or when PM2 is done, is killed. `killed` comes from the
   * signal PM2 says the process died of, or from our own kill; where PM2's bus is silent, its own kill reads `exited`.
   * Rejects with the signal's reason where that aborts.
   */
  async restart(worker: string, { stopTimeoutMs, signal }: RestartOptions): Promise<RestartReport> {
    const { processes } = this.#options;
    signal.throwIfAborted();
    const target = this.#find(worker, await this.#client.listNow());
    const { pmId, pid, readyTimeoutMs } = target;
    const old = pid === null ? null : await processes.identify(pid);
    const family = old ? await processes.tree(old) : [];
    signal.throwIfAborted();

    const done = new AbortController();
    const ending = this.#watchEnd(target);
    const patienceMs = stopTimeoutMs + KILL_MARGIN_MS + readyTimeoutMs + this.#client.timeoutMs;
    try {
      const [overdue] = await Promise.all([
        this.#killAfter(stopTimeoutMs, family, done.signal),
        this.#client.call('restartProcessId', { id: pmId }, patienceMs, signal).finally(() => done.abort()),
      ]);
      // With treekill off PM2 leaves the children alone, and an orphan may hold the port the new process needs.
      const killed = [...overdue, ...(await this.#kill(family))];
      await this.#waitUntilGone(killed, signal);
      const now = (await this.#client.listNow()).find((found) => found.pmId === pmId);
      return { stop: this.#outcome(old, killed, ending.signal()), pid: now?.pid ?? null, goneAt: null, ready: null };
    } finally {
      ending.close();
    }
  }

  async close(): Promise<void> {
    if (!this.#options.client) this.#client.close();
  }

  /** The app's processes by slot. */
  #place(list: readonly Pm2Process[]): Map<number, Pm2Process> {
    const mine = list.filter(({ name }) => name === this.#options.name);
    this.#placed = placeSlots(this.#placed, mine.map(({ pmId }) => pmId));
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

  /** The signal that ended the process, in PM2's words (God.js, handleExit); null until it is told. */
  #watchEnd({ name, pmId }: Pm2Process): { signal: () => string | null; close: () => void } {
    let signal: string | null = null;
    const close = this.#client.watchLog((line) => {
      if (!line.startsWith(`App [${name}:${pmId}] exited with code [`)) return;
      signal ??= /via signal \[(\w+)\]/.exec(line)?.[1] ?? null;
    });
    return { signal: () => signal, close };
  }

  #outcome(old: ProcessId | null, killed: readonly ProcessId[], signal: string | null): StopOutcome {
    if (!old) return 'gone';
    if (killed.some(({ pid }) => pid === old.pid)) return 'killed';
    if (signal !== 'SIGKILL') return 'exited';
    const { name, log } = this.#options;
    log.info("killed before stop_timeout was over, most likely by PM2; raise the app's kill_timeout in PM2", {
      app: name,
      pid: old.pid,
    });
    return 'killed';
  }

  async #killAfter(ms: number, family: readonly ProcessId[], signal: AbortSignal): Promise<ProcessId[]> {
    await this.#options.clock.sleep(ms, signal);
    return signal.aborted ? [] : this.#kill(family);
  }

  /** Kills what still lives of these, and their children by now. Returns whom it killed. */
  async #kill(family: readonly ProcessId[]): Promise<ProcessId[]> {
    const { processes, log, name } = this.#options;
    const victims = new Map<number, ProcessId>();
    for (const member of family) {
      if (!(await this.#lives(member))) continue;
      for (const victim of await processes.tree(member)) victims.set(victim.pid, victim);
    }
    const killed: ProcessId[] = [];
    for (const victim of victims.values()) {
      if (!(await this.#lives(victim))) continue;
      try {
        process.kill(victim.pid, 'SIGKILL');
        killed.push(victim);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ESRCH') continue;
        log.warn(`cannot kill what is left of "${name}": ${messageOf(error)}`, { app: name, pid: victim.pid });
      }
    }
    return killed;
  }

  #lives(id: ProcessId): Promise<boolean> {
    return isAlive(id, this.#options.processes);
  }

  async #waitUntilGone(ids: readonly ProcessId[], signal: AbortSignal): Promise<void> {
    const { clock, log, name } = this.#options;
    const deadline = clock.monotonic() + KILL_MARGIN_MS;
    for (const id of ids) {
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
}
