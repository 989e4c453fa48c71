import { spawn, type ChildProcess } from 'node:child_process';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import { formatElapsed } from '../units.js';
import { backoffMs, CRASH_LOOP_EXITS, STABLE_AFTER_MS } from './backoff.js';
import type { ProcessId, ProcessTable, SlotState, StopOutcome } from './contract.js';
import { stopTree } from './stop.js';

export type OutputStream = 'stdout' | 'stderr';

export interface ChildSpec {
  app: string;
  worker: string;
  command: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
}

export interface ChildWorkerParts {
  processes: ProcessTable;
  clock: Clock;
  log: Log;
  onOutput(worker: string, stream: OutputStream, chunk: Buffer): void;
  /** Told when the slot's process has changed, before anything else is done with it. */
  onChange(): Promise<void>;
}

/** One slot of a child app: keeps one process running in it. */
export class ChildWorker {
  readonly #spec: ChildSpec;
  readonly #parts: ChildWorkerParts;
  #child: ChildProcess | null = null;
  #id: ProcessId | null = null;
  #state: SlotState = 'stopped';
  #crashes = 0;
  #startedAtMs = 0;
  #starting: Promise<void> = Promise.resolve();
  /** Nothing is started any more. */
  #closed = false;
  /** Aborts the wait before the next start. */
  #wait = new AbortController();

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
    return this.#id;
  }

  /** Starts the process. Resolves when it runs, or when it could not be started (then it is tried again later). */
  start(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#starting = this.#spawn();
    return this.#starting;
  }

  async #spawn(): Promise<void> {
    const { command, cwd, env } = this.#spec;
    const { clock, processes, onOutput, onChange } = this.#parts;
    const [program = '', ...args] = command;
    this.#state = 'starting';
    this.#startedAtMs = clock.now();
    // A session of its own: Ctrl-C in heapwarden's terminal must not reach it past a graceful stop.
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' });
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => onOutput(this.worker, 'stdout', chunk));
    child.stderr.on('data', (chunk: Buffer) => onOutput(this.worker, 'stderr', chunk));
    child.once('error', (error) => this.#ended(child, `could not be started: ${error.message}`));
    child.once('exit', (code, signal) => this.#ended(child, signal ? `was ended by ${signal}` : `exited with code ${code}`));
    if (child.pid === undefined) return;
    const id = await processes.identify(child.pid);
    if (this.#child !== child || !id) return; // it has ended already, and #ended takes it from there
    this.#id = id;
    this.#state = 'running';
    await onChange();
  }

  /** Stops the process with its children and leaves the slot empty. */
  async stop(stopTimeoutMs: number): Promise<StopOutcome> {
    const { processes, clock, onChange } = this.#parts;
    this.#wait.abort();
    await this.#starting; // a process that is just being started has no identity to stop it by yet
    const id = this.#id;
    this.#child = null; // its end is wanted
    this.#state = 'stopped';
    const outcome = id ? await stopTree(id, { processes, clock, stopTimeoutMs, ownsGroup: true }) : 'gone';
    this.#id = null;
    await onChange();
    return outcome;
  }

  async restart(stopTimeoutMs: number, signal: AbortSignal): Promise<StopOutcome> {
    const outcome = await this.stop(stopTimeoutMs);
    this.#crashes = 0;
    if (!signal.aborted) await this.start();
    return outcome;
  }

  async close(stopTimeoutMs: number): Promise<void> {
    this.#closed = true;
    await this.stop(stopTimeoutMs);
  }

  #ended(child: ChildProcess, how: string): void {
    if (this.#child !== child) return;
    const { app, worker } = this.#spec;
    const { log, clock, onChange } = this.#parts;
    const livedMs = clock.now() - this.#startedAtMs;
    const left = this.#id;
    this.#child = null;
    this.#id = null;
    this.#crashes = livedMs >= STABLE_AFTER_MS ? 1 : this.#crashes + 1;
    const what = `${app}/${worker} ${how} after ${formatElapsed(livedMs)}`;
    if (this.#crashes >= CRASH_LOOP_EXITS) {
      this.#state = 'crash_loop';
      log.error(
        `${what}, for the ${this.#crashes}th time in a row: it is left stopped. Mend it, then run: heapwarden restart ${app} --worker ${worker}`,
        { app, worker, state: 'crash_loop' },
      );
      void this.#sweep(left).then(onChange);
      return;
    }
    const pauseMs = backoffMs(this.#crashes);
    this.#state = 'starting';
    log.warn(`${what}; it is started again in ${formatElapsed(pauseMs)}`, { app, worker, state: 'starting' });
    void this.#startAgain(left, pauseMs);
  }

  async #startAgain(left: ProcessId | null, pauseMs: number): Promise<void> {
    this.#wait = new AbortController();
    const { signal } = this.#wait;
    await this.#sweep(left);
    await this.#parts.onChange();
    await this.#parts.clock.sleep(pauseMs, signal);
    if (!signal.aborted) await this.start();
  }

  /** A crashed process may leave children that keep its port. */
  async #sweep(left: ProcessId | null): Promise<void> {
    if (!left || process.platform === 'win32') return;
    try {
      process.kill(-left.pid, 'SIGKILL');
    } catch {
      // ESRCH: nobody is left, as it should be.
    }
  }
}
