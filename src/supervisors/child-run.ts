/** POSIX: a process group of its own for each process. Windows has none: there the tree alone is stopped. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { ProcessId, ProcessTable, StopOutcome } from './contract.js';
import { OutputTail } from './output-tail.js';
import type { SharedPort } from './shared-port.js';
import { stopTree } from './stop.js';

export type OutputStream = 'stdout' | 'stderr';

export interface ChildSpec {
  app: string;
  worker: string;
  command: readonly string[];
  cwd: string;
  env: NodeJS.ProcessEnv;
}

/** How a process gets a share of its app's port. */
export interface PortShare {
  port: SharedPort;
  /** Path of the Unix socket that its agent makes when the app listens, and on which this process alone answers. */
  door: string;
  /** Accept nothing before `letIn`. */
  hold: boolean;
}

export interface ChildRunParts {
  processes: ProcessTable;
  clock: Clock;
  onOutput(stream: OutputStream, chunk: Buffer): void;
  /** It has ended without having been stopped, or could not be started: `how` in words. */
  onEnd(run: ChildRun, how: string): void;
}

/** How long the last words of a process are read; a daemon it has left behind may hold its output open for ever. */
const LAST_WORDS_MS = 1000;
/** How long the end of a process that has no identity any more takes to be told. */
const END_TIMEOUT_MS = 1000;
const DOOR_POLL_MS = 50;
/** The child's ends of the shared socket and of the pipe that holds it back; systemd's first is 3, too. */
const PORT_FD = 3;
const HOLD_FD = 4;

/** One process, from its start to its end. */
export class ChildRun {
  /** By the clock that never jumps. */
  readonly startedAt: number;
  /** null until the system has told it. */
  id: ProcessId | null = null;
  /** How it ended, or why it did not start; null while it may run. */
  ending: string | null = null;
  /** The exit status of one that ran; null while it runs. */
  exit: { code: number | null; signal: string | null } | null = null;
  /** It has ended, or never began. */
  readonly over: Promise<void>;
  /** Everything that it wrote has been read too. */
  readonly #closed: Promise<void>;
  readonly #child: ChildProcess;
  readonly #parts: ChildRunParts;
  readonly #share: PortShare | null;
  readonly #tail = new OutputTail();
  #listens = false;
  /** Its end is wanted. */
  #expected = false;
  #stopping = false;

  /** Throws where the system refuses at once. */
  constructor(spec: ChildSpec, share: PortShare | null, parts: ChildRunParts) {
    this.startedAt = parts.clock.monotonic();
    this.#parts = parts;
    this.#share = share;
    if (share) rmSync(share.door, { force: true }); // of one that was killed
    this.#child = start(spec, share);
    this.#passOn();
    this.#stdio[HOLD_FD]?.on('error', () => {}); // its end is the message
    this.over = new Promise((resolve) => {
      const end = (how: string) => {
        this.ending ??= how;
        if (!this.#stopping) this.killGroup(); // it may leave children that keep its port
        if (!this.#expected) this.#parts.onEnd(this, this.ending);
        resolve();
      };
      this.#child.once('exit', (code, signal) => {
        this.exit = { code, signal };
        end(signal ? `was ended by ${signal}` : `exited with code ${code}`);
      });
      this.#child.on('error', (error) => end(`could not be started: ${whyNot(error, spec)}`));
    });
    this.#closed = new Promise((resolve) => void this.#child.once('close', () => resolve()));
  }

  /** Learns its id. Null where it has ended or cannot be seen; rejects where the system cannot be asked. */
  async identify(): Promise<ProcessId | null> {
    if (this.#child.pid === undefined) return null;
    this.id = await this.#parts.processes.identify(this.#child.pid);
    return this.id;
  }

  /** One without an id has ended, most likely: time for the system to tell. */
  untilOver(): Promise<void> {
    return within(this.over, END_TIMEOUT_MS, this.#parts.clock);
  }

  /** null where it could not be started. */
  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  /** The last that it wrote, as soon as all of it has been read. */
  async lastWords(): Promise<string> {
    await within(this.#closed, LAST_WORDS_MS, this.#parts.clock);
    return this.#tail.text();
  }

  /** Path on which it alone answers; null where it has no share of a port. */
  get door(): string | null {
    return this.#share?.door ?? null;
  }

  /** Whether its app has been seen to listen on the shared port. */
  get listens(): boolean {
    this.#listens ||= this.#share !== null && existsSync(this.#share.door);
    return this.#listens;
  }

  /** Waits until its app listens on the shared port; false where it has not after `timeoutMs`, or `signal` aborts. */
  async untilItListens(timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const { clock } = this.#parts;
    const deadline = this.startedAt + timeoutMs;
    while (!this.listens && !signal.aborted && clock.monotonic() < deadline) await clock.sleep(DOOR_POLL_MS, signal);
    return this.listens;
  }

  /** Nobody comes through its door any more. */
  shutDoor(): void {
    if (this.#share) rmSync(this.#share.door, { force: true });
  }

  /** Lets it accept on the shared port. It does so, too, when heapwarden dies. */
  letIn(): void {
    this.#stdio[HOLD_FD]?.destroy();
  }

  /** None where descriptors had run out. */
  get #stdio(): Partial<ChildProcess['stdio']> {
    return (this.#child.stdio as ChildProcess['stdio'] | undefined) ?? [];
  }

  /** From here on its end is no crash: it may end of being drained. */
  expectEnd(): void {
    this.#expected = true;
  }

  /** Stops it with its children. Rejects where the system cannot be asked; then it may run on. */
  async stop(stopTimeoutMs: number): Promise<{ outcome: StopOutcome; goneAt: number }> {
    const { clock } = this.#parts;
    const wasExpected = this.#expected;
    this.#expected = true;
    this.#stopping = true;
    try {
      const found = await this.#stop(stopTimeoutMs);
      const outcome = found === 'gone' && wasExpected ? 'exited' : found;
      const goneAt = clock.monotonic();
      await within(this.#closed, LAST_WORDS_MS, clock);
      for (const stream of this.#stdio) stream?.destroy();
      this.shutDoor();
      return { outcome, goneAt };
    } catch (error) {
      this.#expected = false;
      this.#stopping = false;
      if (this.ending !== null) this.#parts.onEnd(this, this.ending);
      throw error;
    }
  }

  /** Its group too, while it has not been waited for or was just now: that id cannot have been given away yet. */
  killGroup(): void {
    if (this.#child.pid === undefined || process.platform === 'win32') return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // ESRCH: nobody is left, as it should be.
    }
  }

  async #stop(stopTimeoutMs: number): Promise<StopOutcome> {
    const { processes, clock } = this.#parts;
    if (this.id) return stopTree(this.id, { processes, clock, stopTimeoutMs, ownsGroup: true });
    if (process.platform === 'win32') this.#child.kill('SIGKILL'); // by its handle: it cannot be another one
    this.killGroup();
    await this.untilOver();
    return 'killed';
  }

  #passOn(): void {
    for (const name of ['stdout', 'stderr'] as const) {
      let wholeLine = true;
      const stream = this.#child[name] as ChildProcess['stdout'] | undefined; // undefined where descriptors have run out
      stream?.on('data', (chunk: Buffer) => {
        wholeLine = chunk.at(-1) === NEWLINE;
        this.#tail.push(chunk);
        this.#parts.onOutput(name, chunk);
      });
      stream?.on('end', () => {
        // The next process' first line must not be glued to it.
        if (!wholeLine) this.#parts.onOutput(name, Buffer.of(NEWLINE));
      });
    }
  }
}

const NEWLINE = 0x0a;

function start({ command: [program = '', ...args], cwd, env }: ChildSpec, share: PortShare | null): ChildProcess {
  // A session of its own: Ctrl-C in heapwarden's terminal must not reach it past a graceful stop.
  const detached = process.platform !== 'win32';
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe'];
  if (!share) return spawn(program, args, { cwd, env, stdio, detached, windowsHide: true });
  const { port, door, hold } = share;
  const order = port.order({ fd: PORT_FD, ready: door, hold: hold ? HOLD_FD : null });
  return spawn(program, args, {
    cwd,
    env: { ...env, HEAPWARDEN_LISTEN: JSON.stringify(order) },
    stdio: [...stdio, port.fd, ...(hold ? ['pipe' as const] : [])],
    detached,
  });
}

/** Node says `spawn node ENOENT` for a working directory that is not there, too. */
export function whyNot(error: unknown, { cwd }: ChildSpec): string {
  return existsSync(cwd) ? messageOf(error) : `its cwd ${cwd} does not exist`;
}

async function within(event: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const done = new AbortController();
  await Promise.race([event, clock.sleep(ms, done.signal)]);
  done.abort();
}
