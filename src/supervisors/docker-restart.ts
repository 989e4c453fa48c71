import { unlessAborted } from '../abort.js';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import { formatElapsed } from '../units.js';
import { isAlive } from './alive.js';
import type { Drain, ProcessId, ProcessTable, RestartOptions, RestartReport, StopOutcome } from './contract.js';
import type { Container } from './docker-container.js';
import { eventsOf } from './docker-death.js';
import type { DockerEngine } from './docker-engine.js';
import { drainTree } from './drain.js';

/** How long requests may take to end before the stop, in milliseconds, and at most half of stop_timeout, as for child. */
const DRAIN_MS = 5000;
/** For Docker to see that a killed process has gone, to take its container apart, and to start it again. */
const START_MARGIN_MS = 30_000;
const POLL_MS = 20;
const HEALTH_POLL_MS = 250;
/** Exit code of a process that SIGKILL has ended: 128 and the signal's number. */
const KILLED_CODE = 137;

export interface DockerRestartParts {
  app: string;
  engine: DockerEngine;
  processes: ProcessTable;
  drain: Drain;
  clock: Clock;
  log: Log;
  /** As it is now; null where it has been removed. */
  inspect(id: string, signal?: AbortSignal): Promise<Container | null>;
  /** Whether the container's own health check is to say when it is ready. */
  asksHealth(): boolean;
}

/**
 * Asks Docker to restart a container: its stop signal, SIGKILL after stopTimeoutMs (in whole seconds, rounded up, as
 * Docker takes them), and the same container anew. A graceful one lets the agents inside finish their requests first;
 * new before old is not to be had, since a container is its one process. Where it has a health check that is asked,
 * this waits for its verdict.
 *
 * Rejects where `signal` aborts; what Docker has begun it finishes. Past the drain that is once Docker is done, which
 * takes little more than stopTimeoutMs: a drained process takes no request any more, and nobody else would replace it.
 */
export async function restartContainer(
  container: Container,
  pid: number | null,
  { stopTimeoutMs, mode, signal }: Pick<RestartOptions, 'stopTimeoutMs' | 'mode' | 'signal'>,
  parts: DockerRestartParts,
): Promise<RestartReport> {
  const { engine, processes, clock } = parts;
  const root = pid === null ? null : await processes.identify(pid);
  signal.throwIfAborted();
  const mayBeDeaf = root !== null && mode === 'graceful';
  // Not waited for where `signal` aborts: a heapwarden that is slow to stop is killed, before it has asked Docker.
  const draining = mayBeDeaf ? drainTree(root, Math.min(stopTimeoutMs / 2, DRAIN_MS), parts) : Promise.resolve(null);
  const deafSince = await unlessAborted(signal, draining, null);

  const seconds = Math.ceil(stopTimeoutMs / 1000);
  const timeoutMs = seconds * 1000 + START_MARGIN_MS + engine.timeoutMs;
  const over = new AbortController();
  const gone = root ? goneAt(root, over.signal, parts) : Promise.resolve(null);
  const askedAtMs = clock.now();
  try {
    await engine.post(`/containers/${container.id}/restart`, `to restart "${container.name}"`, {
      query: { t: String(seconds) },
      timeoutMs,
      ...(!mayBeDeaf && { signal }),
    });
  } finally {
    over.abort();
  }
  const stop = root ? await outcome(container, askedAtMs, seconds, parts) : 'gone';
  const now = await parts.inspect(container.id, signal);
  const ready = parts.asksHealth() && now?.health != null ? await isHealthy(now, signal, parts) : null;
  return { stop, pid: now?.pid ?? null, goneAt: deafSince ?? (await gone), ready };
}

/** When it had gone, by the clock that never jumps; `over` aborts when Docker is done. Null where that was not seen. */
async function goneAt(
  root: ProcessId,
  over: AbortSignal,
  { processes, clock }: DockerRestartParts,
): Promise<number | null> {
  for (;;) {
    const last = over.aborted;
    // A process table that cannot be read costs the downtime's figure, no more.
    const lives = await isAlive(root, processes).catch(() => true);
    if (!lives) return clock.monotonic();
    if (last) return null;
    await clock.sleep(POLL_MS, over);
  }
}

/** By the exit code in Docker's events; where they cannot be had, it counts as having obeyed. */
async function outcome(
  { id, name }: Container,
  sinceMs: number,
  seconds: number,
  { app, engine, clock, log }: DockerRestartParts,
): Promise<StopOutcome> {
  const events = await eventsOf(id, sinceMs, clock.now(), engine).catch(() => []);
  if (events.find(({ action }) => action === 'die')?.exitCode !== KILLED_CODE) return 'exited';
  log.info(
    `"${name}" was killed ${formatElapsed(seconds * 1000)} after its stop signal. As process 1 of its container an app ` +
      'ends on SIGTERM only where it listens for it; docker run --init (compose: init: true) gives it a process 1 that ' +
      'passes it on',
    { app },
  );
  return 'killed';
}

/** Waits for the verdict of the container's health check, for as long as that may take; false where it ends before. */
async function isHealthy(started: Container, signal: AbortSignal, parts: DockerRestartParts): Promise<boolean> {
  const { clock } = parts;
  const deadline = clock.monotonic() + started.healthWithinMs + parts.engine.timeoutMs;
  for (let now: Container | null = started; now?.pid === started.pid; now = await parts.inspect(started.id, signal)) {
    if (now.health !== 'starting') return now.health === 'healthy';
    if (clock.monotonic() > deadline) return false;
    await clock.sleep(HEALTH_POLL_MS, signal);
    signal.throwIfAborted();
  }
  return false;
}
