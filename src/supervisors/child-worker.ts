import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Clock } from '../clock.js';
import { HeapwardenError, messageOf } from '../errors.js';
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
  /** What the process writes; where it ends, so does its last line. */
  onOutput(worker: string, stream: OutputStream, chunk: Buffer): void;
  /** Told when the slot's process has changed, before anything else is done with it. */
  onChange(): Promise<void>;
}

/** One process, from its start to its end. */
interface Run {
  child: ChildProcess;
  /** By the clock that never jumps. */
  startedAt: number;
  /** null until the system has told it. */
  id: ProcessId | null;
  /** Its end is wanted. */
  stopping: boolean;
  /** It has ended, or never began. */
  over: Promise<void>;
  /** Everything that it wrote has been read too. */
  closed: Promise<void>;
}

/** How long the last words of a process are read; a daemon it has left behind may hold its output open for ever. */
const LAST_WORDS_MS = 1000;
/** How long the end of a process that has no identity any more takes to be told. */
const END_TIMEOUT_MS = 1000;

/** One slot of a child app: keeps one process running in it. */
export class ChildWorker {
  readonly #spec: ChildSpec;
  readonly #parts: ChildWorkerParts;
  #run: Run | null = null;
  #state: SlotState = 'stopped';
  #crashes = 0;
  /** Nothing is started any more. */
  #closed = false;
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

  /** Starts the process. Resolves when it runs, or when it could not be started (then it is tried again later). */
  start(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  /**
   * Stops what runs and starts anew. Where `signal` has aborted when the old process is gone, as when heapwarden
   * itself stops, nothing is started; the stop is seen through in any case.
   */
  restart(stopTimeoutMs: number, signal: AbortSignal): Promise<StopOutcome> {
    return this.#inTurn(async () => {
      signal.throwIfAborted();
      const outcome = await this.#stop(stopTimeoutMs);
      this.#crashes = 0;
      if (!signal.aborted) await this.#start();
      return outcome;
    });
  }

  async close(stopTimeoutMs: number): Promise<void> {
    this.#closed = true;
    this.#wait.abort();
    await this.#inTurn(() => this.#stop(stopTimeoutMs));
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(act);
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }

  async #start(): Promise<void> {
    if (this.#closed || this.#run) return;
    const { clock, log, onChange } = this.#parts;
    const startedAt = clock.monotonic();
    this.#state = 'starting';
    let child: ChildProcess;
    try {
      child = this.#spawn();
    } catch (error) {
      return this.#crashed(`could not be started: ${this.#whyNot(error)}`, startedAt);
    }
    const run: Run = { child, startedAt, id: null, stopping: false, over: endOf(child), closed: closeOf(child) };
    this.#run = run;
    child.on('error', (error) => this.#ended(run, `could not be started: ${this.#whyNot(error)}`));
    child.on('exit', (code, signal) => {
      this.#ended(run, signal ? `was ended by ${signal}` : `exited with code ${code}`);
    });
    const id = await this.#identify(child);
    if (!id) await within(run.over, END_TIMEOUT_MS, clock);
    if (this.#run !== run) return; // it has ended, and #ended took it from there
    if (!id) return log.error(`${this.#name} runs, but cannot be seen: does it run as another user?`, this.#fields);
    run.id = id;
    this.#state = 'running';
    await onChange();
  }

  async #identify(child: ChildProcess): Promise<ProcessId | null> {
    if (child.pid === undefined) return null;
    return this.#parts.processes.identify(child.pid).catch((error: unknown) => {
      this.#parts.log.error(`${this.#name} cannot be watched, so it is ended: ${messageOf(error)}`, this.#fields);
      killGroup(child);
      return null;
    });
  }

  #spawn(): ChildProcess {
    const { command: [program = '', ...args], cwd, env, worker } = this.#spec;
    // A session of its own: Ctrl-C in heapwarden's terminal must not reach it past a graceful stop.
    const detached = process.platform !== 'win32';
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached });
    for (const name of ['stdout', 'stderr'] as const) {
      let wholeLine = true;
      const stream = child[name] as ChildProcess['stdout'] | undefined; // undefined where descriptors have run out
      stream?.on('data', (chunk: Buffer) => {
        wholeLine = chunk.at(-1) === NEWLINE;
        this.#parts.onOutput(worker, name, chunk);
      });
      stream?.on('end', () => {
        // The next process' first line must not be glued to it.
        if (!wholeLine) this.#parts.onOutput(worker, name, Buffer.of(NEWLINE));
      });
    }
    return child;
  }

  /** Stops the process with its children and leaves the slot empty. */
  async #stop(stopTimeoutMs: number): Promise<StopOutcome> {
    this.#wait.abort();
    this.#state = 'stopped';
    const run = this.#run;
    if (!run) return 'gone';
    run.stopping = true;
    const outcome = await this.#end(run, stopTimeoutMs);
    await within(run.closed, LAST_WORDS_MS, this.#parts.clock);
    run.child.stdout?.destroy();
    run.child.stderr?.destroy();
    this.#run = null;
    await this.#parts.onChange();
    return outcome;
  }

  async #end(run: Run, stopTimeoutMs: number): Promise<StopOutcome> {
    const { processes, clock } = this.#parts;
    if (!run.id) {
      killGroup(run.child);
      await within(run.over, END_TIMEOUT_MS, clock);
      return 'killed';
    }
    try {
      return await stopTree(run.id, { processes, clock, stopTimeoutMs, ownsGroup: true });
    } catch (error) {
      run.stopping = false;
      this.#state = 'running';
      if (hasEnded(run.child)) this.#ended(run, 'ended');
      throw new HeapwardenError('SUPERVISOR_REFUSED', `${this.#name} could not be stopped: ${messageOf(error)}`);
    }
  }

  #ended(run: Run, how: string): void {
    if (this.#run !== run || run.stopping) return;
    this.#run = null;
    killGroup(run.child); // a crashed process may leave children that keep its port
    this.#crashed(how, run.startedAt);
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

  /** Node says `spawn node ENOENT` for a working directory that is not there, too. */
  #whyNot(error: unknown): string {
    const { cwd } = this.#spec;
    return existsSync(cwd) ? messageOf(error) : `its cwd ${cwd} does not exist`;
  }

  get #name(): string {
    return `${this.#spec.app}/${this.worker}`;
  }

  get #fields(): { app: string; worker: string } {
    return { app: this.#spec.app, worker: this.worker };
  }
}

const NEWLINE = 0x0a;

const inShell = (word: string): string => (/^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

function endOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
}

function closeOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('close', () => resolve());
  });
}

async function within(event: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const done = new AbortController();
  await Promise.race([event, clock.sleep(ms, done.signal)]);
  done.abort();
}

/** The group of a process that has not been waited for, or was just now: its id cannot have been given away yet. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined || process.platform === 'win32') return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: nobody is left, as it should be.
  }
}
