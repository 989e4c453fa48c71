import { HeapwardenError, messageOf } from '../errors.js';
import { isAlive } from './alive.js';
import type { Drain, RestartOptions, RestartReport, StopOutcome } from './contract.js';
import type { Pm2Bus } from './pm2-bus.js';
import type { Pm2Endings } from './pm2-endings.js';
import { Family, KILL_MARGIN_MS, type FamilyParts } from './pm2-family.js';
import type { Pm2Client, Pm2Process } from './pm2-rpc.js';

export interface Pm2Parts extends FamilyParts {
  client: Pm2Client;
  endings: Pick<Pm2Endings, 'expect' | 'expectNoMore'>;
  drain: Drain;
  /** Milliseconds to wait for the app's `ready` message where the config asks for it (restart.ready.pm2), else null. */
  readyMessageMs(): number | null;
}

/**
 * Asks PM2 to restart one of its ids, without a word on environment or settings, which therefore stay: it stops the old
 * process, then starts the new one. What is left of the old process and its children after stopTimeoutMs, or when PM2
 * is done, is killed. `killed` comes from the signal PM2 says the process died of, or from our own kill; where PM2's
 * bus is silent, its own kill reads `exited`. Nobody has asked yet whether the new one is ready.
 */
export async function restartByPm2(
  target: Pm2Process,
  { stopTimeoutMs, signal }: Pick<RestartOptions, 'stopTimeoutMs' | 'signal'>,
  bus: Pm2Bus,
  parts: Pm2Parts,
): Promise<RestartReport> {
  const { client, endings, processes } = parts;
  const { pmId } = target;
  const family = await Family.of(target.pid, parts);
  signal.throwIfAborted();

  const [asked, over] = [new AbortController(), new AbortController()];
  const readyMs = target.waitsReady ? target.listenTimeoutMs : 0;
  const patienceMs = stopTimeoutMs + KILL_MARGIN_MS + readyMs + client.timeoutMs;
  const gone = family.rootGoneAt(over.signal).catch(() => null); // its downtime is not known then, no more
  endings.expect(target.pid);
  try {
    const answer = client.call('restartProcessId', { id: pmId }, patienceMs, signal);
    await Promise.all([
      killOverdue(family, stopTimeoutMs, asked.signal, parts),
      answer.catch((error: unknown) => Promise.reject(unfinished(error, parts.name))).finally(() => asked.abort()),
    ]);
    // With treekill off PM2 leaves the children alone, and an orphan may hold the port the new process needs.
    await family.kill();
    await family.killedAreGone(signal);
    over.abort();
    const now = (await client.listNow()).find((found) => found.pmId === pmId);
    const stop = outcomeOf(family, bus.endSignal(pmId), parts);
    return { stop, pid: now?.pid ?? null, goneAt: await gone, ready: null };
  } catch (error) {
    // One that has gone was stopped before PM2 said no, and it may be that no list has shown that yet.
    const stays = family.root !== null && isRefusal(error) && (await isAlive(family.root, processes).catch(() => false));
    if (stays) endings.expectNoMore(family.root!.pid);
    throw error;
  } finally {
    over.abort();
  }
}

/** While PM2 does not answer, nobody would start the process again that is killed now. */
async function killOverdue(family: Family, stopTimeoutMs: number, signal: AbortSignal, parts: Pm2Parts): Promise<void> {
  const { client, clock, log, name } = parts;
  await clock.sleep(stopTimeoutMs, signal);
  if (signal.aborted) return;
  try {
    await client.listNow();
    if (!signal.aborted) await family.kill();
  } catch (error) {
    log.warn(`"${name}" has outlived stop_timeout, and is not killed now: ${messageOf(error)}`, { app: name });
  }
}

/** PM2 does nothing more for a restart that ends so. One that it did not answer it may still carry out. */
const isRefusal = (error: unknown): boolean => error instanceof HeapwardenError && error.code === 'SUPERVISOR_REFUSED';

/** A call that PM2 has read cannot be taken back. */
function unfinished(error: unknown, name: string): unknown {
  if (!(error instanceof HeapwardenError) || error.code !== 'SUPERVISOR_UNREACHABLE') return error;
  const asked = `it was asked to restart "${name}" before that, and may still do so when it answers again`;
  return new HeapwardenError(error.code, `${error.message} (${asked})`, { cause: error });
}

function outcomeOf({ root, killed }: Family, signal: string | null, { name, log }: Pm2Parts): StopOutcome {
  if (!root) return 'gone';
  if (killed.some(({ pid }) => pid === root.pid)) return 'killed';
  if (signal !== 'SIGKILL') return 'exited';
  log.info("killed before stop_timeout was over, most likely by PM2; raise the app's kill_timeout in PM2", {
    app: name,
    pid: root.pid,
  });
  return 'killed';
}
