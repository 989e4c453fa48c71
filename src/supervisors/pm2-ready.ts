import { underAny } from '../abort.js';
import { isAlive } from './alive.js';
import type { ProcessId, RestartOptions } from './contract.js';
import type { Pm2Bus } from './pm2-bus.js';
import type { Pm2Parts } from './pm2-restart.js';
import type { Pm2Process } from './pm2-rpc.js';

/** What PM2 publishes may come a moment after its answer to a call, which goes another way. */
const BUS_LAG_MS = 500;
const POLL_MS = 20;

export type ReadyParts = Pick<Pm2Parts, 'processes' | 'clock' | 'readyMessageMs'>;

/**
 * Whether a process that PM2 calls started is ready: it has sent `ready` where the app's wait_ready or the config says
 * that it does, or else it has lived for PM2's listen_timeout, since PM2 does not tell us when a process listens; and
 * it passes `isReady`. False as soon as it has gone.
 */
export async function comesUp(
  { pmId, waitsReady, listenTimeoutMs }: Pm2Process,
  process: ProcessId,
  { isReady, signal }: Pick<RestartOptions, 'isReady' | 'signal'>,
  bus: Pm2Bus,
  parts: ReadyParts,
): Promise<boolean> {
  const lives = () => isAlive(process, parts.processes);
  const awaitsMessage = waitsReady || parts.readyMessageMs() !== null;
  const waited = awaitsMessage
    ? await saysReady(pmId, bus, parts, signal, lives)
    : await staysAlive(listenTimeoutMs, parts, signal, lives);
  if (!waited) return false;
  // isReady may wait as long as the config says; for a process that has gone nobody waits.
  const over = new AbortController();
  const ended = underAny([signal, over.signal], (either) => staysAlive(Infinity, parts, either, lives));
  try {
    return (await Promise.race([isReady({ process, socketPath: null }), ended])) && (await lives());
  } finally {
    over.abort();
  }
}

/**
 * Whether the process of this id says `ready` (process.send) in time: within restart.ready.timeout, or where the config
 * does not ask for it, by when PM2 has given up waiting. False as soon as `lives` says so.
 */
export async function saysReady(
  pmId: number,
  bus: Pm2Bus,
  { clock, readyMessageMs }: Pick<ReadyParts, 'clock' | 'readyMessageMs'>,
  signal: AbortSignal,
  lives: () => Promise<boolean> = async () => true,
): Promise<boolean> {
  const deadline = clock.monotonic() + Math.max(BUS_LAG_MS, readyMessageMs() ?? 0);
  while (!bus.saidReady(pmId)) {
    signal.throwIfAborted();
    if (clock.monotonic() >= deadline || !(await lives())) return false;
    await clock.sleep(POLL_MS, signal);
  }
  return true;
}

async function staysAlive(
  ms: number,
  { clock }: ReadyParts,
  signal: AbortSignal,
  lives: () => Promise<boolean>,
): Promise<boolean> {
  const deadline = clock.monotonic() + ms;
  while (await lives()) {
    signal.throwIfAborted();
    if (clock.monotonic() >= deadline) return true;
    await clock.sleep(POLL_MS, signal);
  }
  return false;
}
