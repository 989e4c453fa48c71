import type { Clock } from '../clock.js';
import type { ExternalConfig } from '../config/schema.js';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { formatDuration } from '../units.js';
import { isAlive } from './alive.js';
import { BoundedLooks } from './bounded-looks.js';
import type {
  CommandReport, Drain, ProcessFinder, ProcessId, ProcessTable, RestartOptions, RestartReport, Slot, Supervisor,
} from './contract.js';
import { drainTree } from './drain.js';
import { CommandFailed, describeFailure, runCommand, whyNotStarted } from './external-command.js';
import { commandEnvironment } from './external-env.js';
import { findExternal } from './external-find.js';
import { placeProcesses, type Place } from './external-slots.js';
import { stopTree } from './stop.js';

const POLL_MS = 100;
const UNDRAINED: { deafSince: number | null; mayBeDeaf: boolean } = { deafSince: null, mayBeDeaf: false };
/** For the new process to be seen; who restarts the app may take longer than that, and is waited for elsewhere. */
const SUCCESSOR_MS = 10_000;

export interface ExternalOptions {
  app: string;
  config: ExternalConfig;
  processes: ProcessTable;
  finder: ProcessFinder;
  drain: Drain;
  clock: Clock;
  log: Log;
  /** heapwarden's own environment, of which a command gets a small part. */
  env?: NodeJS.ProcessEnv;
  /** heapwarden's own pid. */
  ownPid?: number;
}

/**
 * An app that something else runs: found by its pid file, its port or its command line, and restarted by a command or
 * by a signal upon which whoever runs it starts it again (supervisord, runit, the kubelet).
 *
 * Whatever is signalled is the very process that was found, by pid and start time. A graceful restart drains it first;
 * the old process must then go whatever comes, so a command that fails afterwards leaves one that takes no new
 * connections, and the error says so.
 */
export class ExternalSupervisor implements Supervisor {
  readonly kind = 'external';
  readonly #options: ExternalOptions;
  readonly #ownPid: number;
  readonly #looks: BoundedLooks;
  /** By worker, one at a time: the slots that new processes may take meanwhile. */
  readonly #restarting = new Map<number, ReadonlySet<number>>();
  #places: Place[] = [];
  #beside: number[] = [];
  #note: string | null = null;

  constructor(options: ExternalOptions) {
    this.#options = options;
    this.#ownPid = options.ownPid ?? process.pid;
    this.#looks = new BoundedLooks(options.clock);
  }

  /** Starts nothing. Tells the log where there is nothing to watch yet. */
  async start(): Promise<void> {
    const { app, config, log } = this.#options;
    try {
      const found = await this.slots();
      const isNowhere = found.every(({ pid }) => pid === null) && this.#note === null;
      if (isNowhere) log.warn(`${app}: no process is found by ${describeSearch(config)} yet`, { app });
    } catch (error) {
      log.warn(`${app}: ${messageOf(error)}`, { app });
    }
  }

  async slots(): Promise<Slot[]> {
    await this.#look();
    return this.#places.map(({ worker, process }) => ({
      worker: String(worker),
      pid: process?.pid ?? null,
      state: process ? 'running' : this.#restarting.has(worker) ? 'starting' : 'stopped',
    }));
  }

  beside(): readonly number[] {
    return this.#beside;
  }

  /** Throws CommandFailed where the command did not do it. Rejects with the signal's reason where that aborts. */
  async restart(worker: string, options: RestartOptions): Promise<RestartReport> {
    options.signal.throwIfAborted();
    await this.#look();
    const place = this.#places.find((candidate) => String(candidate.worker) === worker);
    if (!place) throw new HeapwardenError('UNKNOWN_WORKER', `${this.#options.app} has no worker "${worker}"`);
    // A command may start the new process before it stops the old one: it waits until that slot is free, and takes none
    // that was empty before.
    const running = this.#places.flatMap(({ worker: slot, process }) => (process ? slot : []));
    this.#restarting.set(place.worker, new Set([place.worker, ...running]));
    try {
      const { restart } = this.#options.config;
      const report = Array.isArray(restart)
        ? await this.#byCommand(restart, place, options)
        : await this.#bySignal(restart.signal as NodeJS.Signals, place, options);
      return { ...report, pid: await this.#successor(place, options.signal) };
    } finally {
      this.#restarting.delete(place.worker);
    }
  }

  async close(): Promise<void> {}

  async #look(): Promise<void> {
    const { app, config, finder, clock, log } = this.#options;
    const known = this.#places.flatMap(({ process }) => process ?? []);
    const { roots, note } = await this.#looks.take(() => findExternal(config, finder, known, this.#ownPid));
    // In a restart, the old process has gone for a moment before the file names the new one.
    if (note !== null && note !== this.#note && this.#restarting.size === 0) log.warn(`${app}: ${note}`, { app });
    this.#note = note;
    const [open = null] = this.#restarting.values();
    const ids = roots.map(({ pid, start }) => ({ pid, start }));
    this.#places = placeProcesses(this.#places, ids, clock.monotonic(), open);
    const placed = new Set(this.#places.map(({ process }) => process?.pid));
    this.#beside = ids.flatMap(({ pid }) => (placed.has(pid) ? [] : pid));
  }

  async #bySignal(stopSignal: NodeJS.Signals, { process: old }: Place, options: RestartOptions): Promise<RestartReport> {
    const { processes, clock } = this.#options;
    if (!old) throw this.#refused(`there is no process to signal (${this.#note ?? 'none runs'}); whoever runs the app has to start it`);
    if (!(await this.#mayBeSignalled(old))) {
      throw this.#refused(`process ${old.pid} is another user's, and heapwarden may not signal it; run it as that user, or as root`);
    }
    const { deafSince } = await this.#drain(old, options);
    const { stopTimeoutMs } = options;
    const stop = await stopTree(old, { processes, clock, stopSignal, stopTimeoutMs, ownsGroup: false });
    if (await isAlive(old, processes)) throw this.#refused(`process ${old.pid} outlives SIGKILL`);
    return { stop, pid: null, goneAt: deafSince ?? (stop === 'gone' ? null : clock.monotonic()), ready: null };
  }

  async #byCommand(argv: readonly string[], { worker, process: old }: Place, options: RestartOptions): Promise<RestartReport> {
    const { app, config, processes, clock, log, env = process.env } = this.#options;
    const commandEnv = commandEnvironment({ app, worker: String(worker), pid: old?.pid ?? null }, env);
    const impossible = whyNotStarted(argv[0] ?? '', commandEnv);
    if (impossible !== null) throw this.#refused(`its restart command cannot be started: ${impossible}`);
    const { deafSince, mayBeDeaf } = old ? await this.#drain(old, options) : UNDRAINED;
    const watch = new AbortController();
    const gone = old ? this.#goneAt(old, watch.signal).catch(() => null) : null;
    try {
      const timeoutMs = config.timeout;
      // Cut off in the middle, it could leave the app stopped: it is seen through even where heapwarden closes.
      const { holdsPipe, ...report } = await runCommand(argv, { env: commandEnv, timeoutMs, processes, clock });
      if (holdsPipe) log.warn(`${app}: ${STILL_WRITES}`, { app });
      const deaf = old && mayBeDeaf && (await isAlive(old, processes)) ? `. ${DEAF}` : '';
      const failure = describeFailure(report, timeoutMs);
      if (failure !== null) throw this.#failed(`its restart command ${failure}${deaf}`, report);
      if (old) await this.#mustGo(old, options, report, deaf);
      return { stop: old ? 'exited' : 'gone', pid: null, goneAt: deafSince ?? (gone && (await gone)), ready: null, command: report };
    } finally {
      watch.abort();
    }
  }

  /** A command may end before what it asked for is done. */
  async #mustGo(old: ProcessId, { stopTimeoutMs, signal }: RestartOptions, report: CommandReport, deaf: string): Promise<void> {
    const { processes, clock } = this.#options;
    const deadline = clock.monotonic() + stopTimeoutMs;
    while (await isAlive(old, processes)) {
      signal.throwIfAborted();
      if (clock.monotonic() >= deadline) {
        const waited = `${formatDuration(stopTimeoutMs)} (stop_timeout) after its restart command had ended with status 0`;
        throw this.#failed(`process ${old.pid} still runs ${waited}${deaf}`, report);
      }
      await clock.sleep(POLL_MS, signal);
    }
  }

  /** `mayBeDeaf`: it may have been told to take no new connections, which cannot be taken back. */
  async #drain(old: ProcessId, { mode, stopTimeoutMs }: RestartOptions): Promise<typeof UNDRAINED> {
    if (mode !== 'graceful') return UNDRAINED;
    const { clock } = this.#options;
    const startedAt = clock.monotonic();
    const deafSince = await drainTree(old, stopTimeoutMs, this.#options);
    // Where there is no agent, the answer comes at once.
    return { deafSince, mayBeDeaf: deafSince !== null || clock.monotonic() - startedAt >= stopTimeoutMs };
  }

  async #goneAt(old: ProcessId, signal: AbortSignal): Promise<number | null> {
    const { processes, clock } = this.#options;
    while (await isAlive(old, processes)) {
      if (signal.aborted) return null;
      await clock.sleep(POLL_MS, signal);
    }
    return clock.monotonic();
  }

  /** Pid of the process in the place of the old one; null where none has come yet. */
  async #successor({ worker, process: old }: Place, signal: AbortSignal): Promise<number | null> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + SUCCESSOR_MS;
    for (;;) {
      await this.#look().catch(() => {}); // what has been done stays done; the next look of all says what is wrong
      const now = this.#places.find((place) => place.worker === worker)?.process ?? null;
      if (now && (now.pid !== old?.pid || now.start !== old.start)) return now.pid;
      signal.throwIfAborted();
      if (clock.monotonic() >= deadline) return null;
      await clock.sleep(POLL_MS, signal);
    }
  }

  async #mayBeSignalled(id: ProcessId): Promise<boolean> {
    try {
      return process.kill(id.pid, 0);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'EPERM'; // gone: a value, and stopTree says so
    }
  }

  #refused(why: string): HeapwardenError {
    return new HeapwardenError('SUPERVISOR_REFUSED', why);
  }

  #failed(why: string, report: CommandReport): CommandFailed {
    return new CommandFailed(why, report);
  }
}

const STILL_WRITES =
  'what its restart command has left running still writes to its output, and loses that when heapwarden ends; ' +
  'redirect it there, as in: node server.js >>app.log 2>&1 &';
const DEAF = 'Its agent had been asked to take no new connections, so that it may serve nobody: restart it by hand';

function describeSearch({ pid_file, port, match }: ExternalConfig): string {
  if (pid_file !== undefined) return `its pid file ${pid_file}`;
  return port !== undefined ? `its port ${port}` : `its command line, /${match}/`;
}
