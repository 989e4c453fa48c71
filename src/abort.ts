/**
 * Under signals that live long. `AbortSignal.any` leaves something behind in each of its sources, and so does a listener
 * that is never taken off: 0.1 to 1.2 KB each time (Node 20 to 26), which a signal that lives as long as heapwarden
 * gathers for as long. These leave nothing.
 */
import { setMaxListeners } from 'node:events';
import type { Clock } from './clock.js';

/** Runs `work` under a signal that aborts with whichever of `sources` aborts first. */
export async function underAny<T>(sources: readonly AbortSignal[], work: (signal: AbortSignal) => T | Promise<T>): Promise<T> {
  const any = new AbortController();
  setMaxListeners(0, any.signal); // Node 20 warns of more than 10
  const abort = (): void => any.abort(sources.find(({ aborted }) => aborted)?.reason);
  if (sources.some(({ aborted }) => aborted)) abort();
  for (const source of sources) source.addEventListener('abort', abort);
  try {
    return await work(any.signal);
  } finally {
    for (const source of sources) source.removeEventListener('abort', abort);
  }
}

/** Runs `work` under a signal that aborts `graceMs` after `source` does, for what must be handed over first. */
export async function underLate<T>(
  source: AbortSignal,
  graceMs: number,
  clock: Pick<Clock, 'sleep'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const [late, over] = [new AbortController(), new AbortController()];
  const abort = (): void => void clock.sleep(graceMs, over.signal).then(() => late.abort(source.reason));
  if (source.aborted) abort();
  source.addEventListener('abort', abort);
  try {
    return await work(late.signal);
  } finally {
    source.removeEventListener('abort', abort);
    over.abort();
  }
}

/** What `work` comes to, or `otherwise` as soon as `signal` aborts; then `work` goes on, and nobody hears how it ends. */
export function unlessAborted<T, O>(signal: AbortSignal, work: Promise<T>, otherwise: O): Promise<T | O> {
  return new Promise((resolve, reject) => {
    const abort = (): void => resolve(otherwise);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    const over = (): void => signal.removeEventListener('abort', abort);
    work.then(resolve, reject).finally(over);
  });
}
