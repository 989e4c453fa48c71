import { underLate, unlessAborted } from '../abort.js';
import type { Clock } from '../clock.js';
import { HeapwardenError } from '../errors.js';
import type { Log } from '../log.js';
import { formatElapsed } from '../units.js';
import { isAlive } from './alive.js';
import type { Drain, ProcessId, ProcessTable, RestartOptions, RestartReport } from './contract.js';
import { drainTree } from './drain.js';
import type { Systemctl } from './systemctl.js';
import { saysWhenReady, type Unit } from './systemd-unit.js';

/** How long requests may take to end while nobody accepts new ones, in milliseconds, and at most half of stop_timeout. */
const DRAIN_MS = 5000;
/** Waited for a job of a unit that gives itself no limit (TimeoutStartSec=infinity), in milliseconds. */
const PATIENCE_MS = 600_000;
const POLL_MS = 20;

export interface RestartParts {
  app: string;
  systemctl: Systemctl;
  processes: ProcessTable;
  drain: Drain;
  clock: Clock;
  log: Log;
}

/**
 * Asks systemd to restart a unit: one job, which systemd finishes even if heapwarden dies at once. The unit decides how
 * it is stopped and when it is killed (KillSignal=, TimeoutStopSec=); of stopTimeoutMs, half bounds the draining before
 * that, where the mode is graceful.
 *
 * `ready` is the unit's own word where its Type= gives one, and then that of the config's check, too; false where the
 * new process did not come up; null for Type=simple, whose job ends as soon as the process has been forked. `killed`
 * is told from the clock: a process that lived for TimeoutStopSec= from the stop on. systemd itself has forgotten by
 * then.
 *
 * Rejects with the signal's reason where that aborts. Past the drain that is once systemd has the job: a drained process
 * takes no request any more, and nobody but this restart would ever replace it.
 */
export async function restartUnit(unit: Unit, options: RestartOptions, parts: RestartParts): Promise<RestartReport> {
  const { systemctl, processes, clock, log, app } = parts;
  const { mode, signal, isReady } = options;
  // So that a restart of ours is never the one too many, after which systemd would leave the unit stopped. It comes
  // first because it takes the same right: a process that has been drained for a restart that is then refused is lost.
  await systemctl.resetFailed(unit.id, signal);
  const root = unit.mainPid === null ? null : await processes.identify(unit.mainPid);
  const mayBeDeaf = root !== null && mode === 'graceful' && unit.activeState === 'active';
  const deafSince = mayBeDeaf ? await finishRequests(root, options, parts) : null;
  const over = new AbortController();
  const askedAt = clock.monotonic();
  const gone = root ? goneAt(root, over.signal, parts) : Promise.resolve(null);
  const restart = (until: AbortSignal) => systemctl.restart(unit.id, patience(unit, systemctl), until);
  const done = mayBeDeaf ? underLate(signal, systemctl.timeoutMs, clock, restart) : restart(signal);
  const failure = await done.catch((error: unknown) => {
    over.abort();
    throw unfinished(error, unit);
  });
  over.abort();
  const rootGoneAt = await gone;
  const [now] = await systemctl.show(unit.id);
  if (failure !== null) {
    log.warn(`${app}: ${unit.id} did not come up again: ${failure}`, { app, result: now?.result });
  }
  const wasKilled = rootGoneAt !== null && rootGoneAt - askedAt >= unit.stopTimeoutMs;
  if (wasKilled) {
    const limit = formatElapsed(unit.stopTimeoutMs);
    log.info(`${app}: ${unit.id} did not stop within its TimeoutStopSec= (${limit}), so systemd has killed it`, { app });
  }
  return {
    stop: root === null ? 'gone' : wasKilled ? 'killed' : 'exited',
    pid: now?.mainPid ?? null,
    goneAt: deafSince ?? rootGoneAt,
    ready: failure !== null ? false : await isUp(now, { isReady }, processes),
  };
}

/**
 * Its listening sockets are closed meanwhile: only a unit that has a .socket keeps new connections waiting. Where
 * `signal` aborts it is not waited for: a heapwarden that is slow to stop is killed, before it has asked systemd.
 */
async function finishRequests(
  root: ProcessId,
  { stopTimeoutMs, signal }: RestartOptions,
  parts: RestartParts,
): Promise<number | null> {
  signal.throwIfAborted();
  return unlessAborted(signal, drainTree(root, Math.min(stopTimeoutMs / 2, DRAIN_MS), parts), null);
}

/** When the process had gone, by the clock that never jumps; null where it outlives `signal`. */
async function goneAt(root: ProcessId, signal: AbortSignal, { processes, clock }: RestartParts): Promise<number | null> {
  for (;;) {
    // An abort is heeded after one more look: it comes when systemd is done.
    const last = signal.aborted;
    // A process table that cannot be read costs the downtime's figure, no more.
    if (!(await isAlive(root, processes).catch(() => true))) return clock.monotonic();
    if (last) return null;
    await clock.sleep(POLL_MS, signal);
  }
}

async function isUp(
  unit: Unit | undefined,
  { isReady }: Pick<RestartOptions, 'isReady'>,
  processes: ProcessTable,
): Promise<boolean | null> {
  if (!unit || !saysWhenReady(unit)) return null;
  const process = unit.mainPid === null ? null : await processes.identify(unit.mainPid);
  return process === null ? null : isReady({ process, socketPath: null });
}

/** ExecStop= and the signal have TimeoutStopSec= each, and so has the kill: systemd.service(5). */
function patience({ stopTimeoutMs, startTimeoutMs }: Unit, { timeoutMs }: Systemctl): number {
  const limit = (ms: number) => (Number.isFinite(ms) ? ms : PATIENCE_MS);
  return 3 * limit(stopTimeoutMs) + limit(startTimeoutMs) + timeoutMs;
}

/** A job that systemd has taken on cannot be taken back. */
function unfinished(error: unknown, { id }: Unit): unknown {
  if (!(error instanceof HeapwardenError) || error.code !== 'SUPERVISOR_UNREACHABLE') return error;
  const message = `${error.message} (it may have begun to restart ${id}, and finishes that by itself)`;
  return new HeapwardenError(error.code, message, { cause: error });
}
