import { unlessAborted } from '../abort.js';
import type { Clock } from '../clock.js';
import { formatElapsed } from '../units.js';
import type { ChildRun } from './child-run.js';
import type { ProcessId, RestartOptions } from './contract.js';

/** How long an app may take to listen on the shared port where no `ready` check gives it longer, in milliseconds. */
const LISTEN_TIMEOUT_MS = 30_000;

interface Readiness {
  isReady: RestartOptions['isReady'];
  signal: AbortSignal;
  clock: Clock;
  /** Of the shared port. */
  address: string | undefined;
}

/** Waits until a process that is held back is ready: its app listens, and its check passes. Null then, else why not. */
export async function whyNotReady(run: ChildRun, id: ProcessId, readiness: Readiness): Promise<string | null> {
  const { isReady, signal, address } = readiness;
  const over = new AbortController();
  const isOver = run.over.then(() => run.ending ?? 'ended');
  const asked = async (): Promise<string | null> => {
    const passes = await isReady({ process: id, socketPath: run.door });
    // Without a check it is ready when it listens; with one, it most likely does by now.
    const listens = await run.untilItListens(passes ? LISTEN_TIMEOUT_MS : 0, over.signal);
    if (!listens) return `did not listen on ${address}, the shared port`;
    return passes ? null : 'did not become ready in time';
  };
  try {
    return await unlessAborted(signal, Promise.race([isOver, asked()]), 'was not waited for');
  } finally {
    over.abort();
  }
}

/** Looks whether the app of a new process takes the shared port, and tells where it has not after so many milliseconds. */
export async function watchDoor(run: ChildRun, onNothing: (ms: number) => void): Promise<void> {
  const over = new AbortController();
  void run.over.then(() => over.abort());
  const listens = await run.untilItListens(LISTEN_TIMEOUT_MS, over.signal);
  if (listens) run.shutDoor();
  else if (!over.signal.aborted) onNothing(LISTEN_TIMEOUT_MS);
}

/** What is wrong with an app that does not take the port that was opened for it. */
export function notSharing(name: string, address: string, afterMs: number): string {
  return (
    `${name} does not listen on ${address}, the port that child.listen has opened for it, ${formatElapsed(afterMs)} ` +
    'after its start: heapwarden must start Node itself (node app.js, not npm start) with its agent (not runtime: ' +
    'none), and the app must call listen() with that port in this very process (not in workers of a cluster). Until ' +
    'then its restarts stop it first, and its listen() may fail with EADDRINUSE'
  );
}
