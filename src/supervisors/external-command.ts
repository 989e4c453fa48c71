import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Clock } from '../clock.js';
import { HeapwardenError } from '../errors.js';
import { formatDuration } from '../units.js';
import type { CommandReport, ProcessTable } from './contract.js';
import { LastLines } from './last-lines.js';
import { stopTree } from './stop.js';

/** Between SIGTERM and SIGKILL for a command that has run for too long. */
const STOP_TIMEOUT_MS = 2000;
/** For what is still in the pipe when the command has ended. */
const REST_MS = 100;

export interface CommandOptions {
  env: NodeJS.ProcessEnv;
  /** Milliseconds that it may take. */
  timeoutMs: number;
  processes: ProcessTable;
  clock: Clock;
}

/** The restart command did not do what it was to do. */
export class CommandFailed extends HeapwardenError {
  constructor(
    message: string,
    readonly report: CommandReport,
  ) {
    super('SUPERVISOR_REFUSED', message);
    this.name = 'CommandFailed';
  }
}

/**
 * Why a program cannot be started, as a part of a sentence; null where it can. Asked before anything is touched. The
 * name is looked up as execvp(3) does; not on Windows, where other rules hold.
 */
export function whyNotStarted(program: string, env: NodeJS.ProcessEnv, platform = process.platform): string | null {
  if (platform === 'win32') return null;
  const candidates = program.includes('/') ? [program] : (env['PATH'] ?? '').split(delimiter).map((dir) => join(dir || '.', program));
  const codes = candidates.map((path) => {
    try {
      accessSync(path, constants.X_OK);
      return null;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    }
  });
  if (codes.includes(null)) return null;
  return codes.includes('EACCES') ? `${program} may not be executed` : `there is no program ${program}`;
}

/**
 * Runs a command without a shell, in a session of its own. Resolves when it has ended, or when it has been stopped for
 * taking too long. What it leaves behind runs on, and whatever that writes is read and thrown away for
 * as long as heapwarden runs: `holdsPipe` says that there is somebody.
 */
export async function runCommand(
  [program = '', ...args]: readonly string[],
  { env, timeoutMs, processes, clock }: CommandOptions,
): Promise<CommandReport & { holdsPipe: boolean }> {
  const startedAt = clock.monotonic();
  const lines = new LastLines();
  const detached = process.platform !== 'win32'; // there it would mean a console window
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached, windowsHide: true });
  const over = new AbortController();
  let timedOut = false;
  // With no descriptors left Node makes none, whatever the types say, and tells by 'error'.
  const streams = [child.stdout, child.stderr].filter((stream: Readable | undefined) => stream !== undefined);
  for (const stream of streams) stream.on('data', (chunk: Buffer) => over.signal.aborted || lines.push(chunk));
  const piped = closeOf(child);
  const ended = endOf(child);
  const stopLate = async (): Promise<void> => {
    await clock.sleep(timeoutMs, over.signal);
    while (!over.signal.aborted && child.pid !== undefined) {
      try {
        const id = await processes.identify(child.pid);
        if (!id) return;
        timedOut = true;
        return void (await stopTree(id, { processes, clock, stopTimeoutMs: STOP_TIMEOUT_MS, ownsGroup: true }));
      } catch {
        await clock.sleep(REST_MS, over.signal); // the process table could not be read: later
      }
    }
  };
  const late = stopLate();
  const { status, signal, error } = await ended;
  const holdsPipe = await Promise.race([piped.then(() => false), clock.sleep(REST_MS).then(() => true)]);
  over.abort();
  await late;
  // Whoever has inherited the pipe would die of its other end being closed, and does not keep heapwarden alive.
  for (const stream of streams) (stream as { unref?(): void }).unref?.();
  const output = error === null ? lines.text : error;
  return { status, signal, timedOut, tookMs: clock.monotonic() - startedAt, output, holdsPipe: holdsPipe && !timedOut };
}

/** What is wrong with how a command ended, as a part of a sentence; null where nothing is. */
export function describeFailure({ status, signal, timedOut, output }: CommandReport, timeoutMs: number): string | null {
  if (status === 0 && !timedOut) return null;
  const how = timedOut
    ? `had not ended after ${formatDuration(timeoutMs)}, and was stopped`
    : status !== null
      ? `ended with status ${status}`
      : signal !== null
        ? `was ended by ${signal}`
        : 'could not be started';
  const last = output.split('\n').at(-1);
  return last ? `${how}: ${last}` : how;
}

interface End {
  status: number | null;
  signal: string | null;
  error: string | null;
}

function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve({ status: null, signal: null, error: error.code ?? error.message }));
    child.once('exit', (status, signal) => resolve({ status, signal, error: null }));
  });
}

/** When nobody holds its pipes any more. */
function closeOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
}
