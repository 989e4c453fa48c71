import { randomUUID } from 'node:crypto';
import { underAny, unlessAborted } from '../abort.js';
import type { Clock } from '../clock.js';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { formatElapsed } from '../units.js';
import { backoffMs, CRASH_LOOP_EXITS, STABLE_AFTER_MS } from './backoff.js';
import { notSharing, watchDoor, whyNotReady } from './child-ready.js';
import { ChildRun, whyNot, type ChildSpec, type OutputStream } from './child-run.js';
import type { Drain, Ending, ProcessId, ProcessTable, RestartOptions, RestartReport, SlotState } from './contract.js';
import { NOT_DRAINED } from './drain.js';
import { markedEnvironment } from './leftovers.js';
import type { SharedPort } from './shared-port.js';

export interface ChildWorkerParts {
  processes: ProcessTable;
  clock: Clock;
  log: Log;
  drain: Drain;
  /** The port that all workers of the app share; null where the app opens its own. */
  port(): SharedPort | null;
  /** Where the agent is to make the Unix socket of the n-th process: two in turn, for no more run at once. */
  door(turn: 0 | 1): string;
  /** What the process writes; where it ends, so does its last line. */
  onOutput(worker: string, stream: OutputStream, chunk: Buffer): void;
  /** Told when the slot's processes have changed, before anything else is done with them. */
  onChange(): Promise<void>;
}

/**
 * How long requests may take to end while nobody accepts new ones, in milliseconds, and at most half of stop_timeout:
 * whoever waits in the queue waits for them, too.
 */
const PAUSED_DRAIN_MS = 5000;

/** One slot of a child app: keeps one process running in it. */
export class ChildWorker {
  readonly #spec: ChildSpec;
  readonly #parts: ChildWorkerParts;
  #run: ChildRun | null = null;
  /** Not in the slot yet, or no longer: there only during a graceful restart, or where a stop has failed. */
  readonly #beside = new Set<ChildRun>();
  /** That nobody has asked about yet. */
  #endings: Promise<Ending>[] = [];
  #mark: string | null = null;
  #state: SlotState = 'stopped';
  #crashes = 0;
  #starts = 0;
  /** Nothing is started any more once it has aborted. */
  readonly #closing = new AbortController();
  /** Aborts the wait before the next start. */
  #wait = new AbortController();
  /** Starts and stops take turns: two at once would lose sight of a process. */
  #lastTurn: Promise<unknown> = Promise.resolve();

  constructor(spec: ChildSpec, parts: ChildWorkerParts) {
    this.#spec = spec;
    this.#parts = parts;
  }

  get worker(): string {
    return this.#spec.worker;
  }

  get state(): SlotState {
    return this.#state;
  }

  /** The process in the slot; null between two processes. */
  get id(): ProcessId | null {
    return this.#run?.id ?? null;
  }

  /** Processes that are on their way in or out. */
  get beside(): ProcessId[] {
    return this.#beside.size === 0 ? [] : [...this.#beside].flatMap(({ id }) => id ?? []);
  }

  /** Every process of the slot. */
  get ids(): ProcessId[] {
    return this.id ? [this.id, ...this.beside] : this.beside;
  }

  /** What has ended by itself since this was last asked. */
  takeEndings(): Promise<Ending>[] {
    return this.#endings.splice(0);
  }

  /** Of a process that is being started and has no id yet; see markedEnvironment. */
  get mark(): string | null {
    return this.#mark;
  }

  /** Starts the process. Resolves when it runs, or when it could not be started (then it is tried again later). */
  start(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  /**
   * Gracefully where it is asked for and the process that runs shares its port with others; else what runs is stopped
   * first. Where `signal` has aborted when the old process is gone, as when heapwarden itself stops, nothing is
   * started; the stop is seen through in any case.
   */
  restart(options: RestartOptions): Promise<RestartReport> {
    return this.#inTurn(async () => {
      options.signal.throwIfAborted();
      const old = this.#run;
      const isPossible = old?.id && this.#state === 'running' && old.listens;
      return options.mode === 'graceful' && isPossible ? this.#startBeside(old, options) : this.#stopFirst(options);
    });
  }

  async close(stopTimeoutMs: number): Promise<void> {
    this.#closing.abort(new HeapwardenError('SUPERVISOR_CLOSED', `${this.#name} is stopped, and not started again`));
    this.#wait.abort();
    await this.#inTurn(async () => {
      await this.#stop(stopTimeoutMs);
      for (const run of this.#beside) await this.#end(run, stopTimeoutMs);
    });
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(act);
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }

  async #start(): Promise<void> {
    if (this.#closing.signal.aborted || this.#run) return;
    const { clock, log, onChange } = this.#parts;
    const startedAt = clock.monotonic();
    this.#state = 'starting';
    let run: ChildRun;
    await this.#announce();
    try {
      this.#closing.signal.throwIfAborted();
      run = this.#launch({ hold: false });
    } catch (error) {
      this.#mark = null;
      if (this.#closing.signal.aborted) return;
      return this.#crashed(`could not be started: ${whyNot(error, this.#spec)}`, startedAt);
    }
    this.#run = run;
    const id = await this.#identify(run);
    this.#mark = null;
    if (this.#run !== run) return onChange(); // it has ended, and #ended took it from there
    if (!id) return log.error(`${this.#name} runs, but cannot be seen: does it run as another user?`, this.#fields);
    this.#state = 'running';
    const port = this.#parts.port();
    if (port) void watchDoor(run, (ms) => log.warn(notSharing(this.#name, port.address, ms), this.#fields));
    await onChange();
  }

  /** What is about to be started is on disk before: a warden that dies right then leaves it behind. */
  async #announce(): Promise<void> {
    this.#mark = randomUUID();
    await this.#parts.onChange();
  }

  /** Throws where the system refuses at once. */
  #launch({ hold }: { hold: boolean }): ChildRun {
    const { processes, clock, door, onOutput } = this.#parts;
    const port = this.#parts.port();
    this.#starts += 1;
    const env = { ...this.#spec.env, ...markedEnvironment(this.#mark ?? '') };
    return new ChildRun({ ...this.#spec, env }, port && { port, hold, door: door(this.#starts % 2 === 0 ? 0 : 1) }, {
      processes,
      clock,
      onOutput: (stream, chunk) => onOutput(this.worker, stream, chunk),
      onEnd: (run, how) => this.#ended(run, how),
    });
  }

  async #identify(run: ChildRun): Promise<ProcessId | null> {
    const id = await run.identify().catch((error: unknown) => {
      this.#parts.log.error(`${this.#name} cannot be watched, so it is ended: ${messageOf(error)}`, this.#fields);
      run.killGroup();
      return null;
    });
    if (!id) await run.untilOver();
    return id;
  }

  async #stopFirst({ stopTimeoutMs, signal }: RestartOptions): Promise<RestartReport> {
    const run = this.#run;
    const drainMs = Math.min(stopTimeoutMs / 2, PAUSED_DRAIN_MS);
    const drain = (either: AbortSignal) => (run && this.#parts.port() ? this.#drain(run, drainMs, either) : null);
    const deafSince = await underAny([signal, this.#closing.signal], async (either) => drain(either));
    const gone = await this.#stop(stopTimeoutMs);
    this.#crashes = 0;
    if (!signal.aborted) await this.#start();
    const pid = this.id?.pid ?? null;
    return { stop: gone?.outcome ?? 'gone', pid, goneAt: deafSince ?? gone?.goneAt ?? this.#parts.clock.monotonic(), ready: null };
  }

  /** The new process takes the slot when it is ready; where it does not become so, the old one has never lost it. */
  #startBeside(old: ChildRun, options: RestartOptions): Promise<RestartReport> {
    return underAny([options.signal, this.#closing.signal], (signal) => this.#replace(old, { ...options, signal }));
  }

  async #replace(old: ChildRun, { stopTimeoutMs, isReady, signal }: RestartOptions): Promise<RestartReport> {
    const next = await this.#bringUp(stopTimeoutMs, isReady, signal);
    this.#wait.abort(); // where the old one has crashed meanwhile
    this.#beside.delete(next);
    this.#beside.add(old);
    this.#run = next;
    this.#state = 'running';
    this.#crashes = 0;
    next.letIn();
    next.shutDoor();
    const isAlone = new AbortController();
    void next.over.then(() => isAlone.abort());
    // All of stop_timeout, and as much again for the stop: while the new one serves, it costs nobody anything.
    await underAny([signal, isAlone.signal], (either) => this.#drain(old, stopTimeoutMs, either));
    const { outcome } = await this.#end(old, stopTimeoutMs);
    this.#beside.delete(old);
    await this.#parts.onChange();
    return { stop: outcome, pid: next.id?.pid ?? null, goneAt: null, ready: true };
  }

  /** A second process that is ready to accept. Throws NOT_READY, or what `signal` aborts with, and leaves none then. */
  async #bringUp(stopTimeoutMs: number, isReady: RestartOptions['isReady'], signal: AbortSignal): Promise<ChildRun> {
    const { clock, onChange, port } = this.#parts;
    let next: ChildRun;
    await this.#announce();
    try {
      next = this.#launch({ hold: true });
    } catch (error) {
      throw this.#notReady(`could not be started: ${whyNot(error, this.#spec)}`);
    }
    this.#beside.add(next);
    const id = await this.#identify(next);
    this.#mark = null;
    await onChange();
    const why = id ? await whyNotReady(next, id, { isReady, signal, clock, address: port()?.address }) : 'cannot be seen';
    if (why === null && next.ending === null && !signal.aborted) return next;
    const refusal = next.ending ?? why ?? 'ended';
    await this.#end(next, stopTimeoutMs);
    this.#beside.delete(next);
    await onChange();
    signal.throwIfAborted();
    throw this.#notReady(refusal);
  }

  #notReady(why: string): HeapwardenError {
    const still = this.#run ? 'the old one was left in place and still runs' : 'the old one has ended meanwhile';
    return new HeapwardenError('NOT_READY', `${this.#name}: the new process ${why}; ${still}`);
  }

  /** When it began to take no new connections, by the clock that never jumps; null where that is not known. */
  async #drain(run: ChildRun, timeoutMs: number, signal: AbortSignal): Promise<number | null> {
    if (!run.id) return null;
    run.expectEnd();
    const startedAt = this.#parts.clock.monotonic();
    const { complete, deaf } = await unlessAborted(signal, this.#parts.drain(run.id, timeoutMs), NOT_DRAINED);
    const deafSince = deaf ? startedAt : null;
    if (complete || run.ending !== null || !run.listens) return deafSince;
    this.#parts.log.info(
      `${this.#name}: process ${run.id.pid} is stopped with connections open (WebSockets, requests of more than ` +
        `${formatElapsed(timeoutMs)}), or it does not answer`,
      this.#fields,
    );
    return deafSince;
  }

  /** Stops the process with its children and leaves the slot empty; null where it was. */
  async #stop(stopTimeoutMs: number): Promise<Awaited<ReturnType<ChildRun['stop']>> | null> {
    this.#wait.abort();
    this.#state = 'stopped';
    const run = this.#run;
    if (!run) return null;
    const gone = await this.#end(run, stopTimeoutMs);
    this.#run = null;
    await this.#parts.onChange();
    return gone;
  }

  async #end(run: ChildRun, stopTimeoutMs: number): ReturnType<ChildRun['stop']> {
    try {
      return await run.stop(stopTimeoutMs);
    } catch (error) {
      if (this.#run === run) this.#state = 'running';
      throw new HeapwardenError('SUPERVISOR_REFUSED', `${this.#name} could not be stopped: ${messageOf(error)}`);
    }
  }

  #ended(run: ChildRun, how: string): void {
    if (run.pid !== null && run.exit) this.#endings.push(this.#ending(run, run.pid, run.exit));
    if (this.#beside.delete(run)) void this.#parts.onChange();
    if (this.#run !== run) return;
    this.#run = null;
    this.#crashed(how, run.startedAt);
  }

  async #ending(run: ChildRun, pid: number, exit: NonNullable<ChildRun['exit']>): Promise<Ending> {
    const atMs = this.#parts.clock.now();
    return { worker: this.worker, pid, atMs, ...exit, words: await run.lastWords() };
  }

  #crashed(how: string, startedAt: number): void {
    const { log, clock, onChange } = this.#parts;
    const livedMs = clock.monotonic() - startedAt;
    this.#crashes = livedMs >= STABLE_AFTER_MS ? 1 : this.#crashes + 1;
    const what = `${this.#name} ${how} after ${formatElapsed(livedMs)}`;
    void onChange();
    if (this.#crashes >= CRASH_LOOP_EXITS) {
      this.#state = 'crash_loop';
      const command = `heapwarden restart ${inShell(this.#spec.app)} --worker=${this.worker}`;
      log.error(
        `${what}, for the ${this.#crashes}th time in a row: it is left stopped. Mend it, then run: ${command}`,
        { ...this.#fields, state: 'crash_loop' },
      );
      return;
    }
    const pauseMs = backoffMs(this.#crashes);
    this.#state = 'starting';
    const next = `it is started again in ${formatElapsed(pauseMs)}`;
    log.warn(`${what}; ${next}`, { ...this.#fields, state: 'starting' });
    void this.#startAfter(pauseMs);
  }

  async #startAfter(pauseMs: number): Promise<void> {
    this.#wait = new AbortController();
    const { signal } = this.#wait;
    await this.#parts.clock.sleep(pauseMs, signal);
    if (!signal.aborted) await this.start();
  }

  get #name(): string {
    return `${this.#spec.app}/${this.worker}`;
  }

  get #fields(): { app: string; worker: string } {
    return { app: this.#spec.app, worker: this.worker };
  }
}

const inShell = (word: string): string => (/^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
