import { closeSync, openSync } from 'node:fs';
import { systemClock, type Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';

/** Milliseconds that a start or a stop may still take after a failure before the exit is forced. */
export const LAST_STOP_MS = 15_000;

interface StopRequest {
  status: number;
  message: string;
}

interface StopRequests {
  requested: Promise<StopRequest>;
  /**
   * Resolves or rejects as `started` does. After a failure that nobody handled it may never do either: then this rejects
   * with that failure, LAST_STOP_MS later.
   */
  during<T>(started: Promise<T>): Promise<T>;
  close(): void;
}

/**
 * SIGHUP, from the very start on: one that comes before there is anything to reload is kept until there is. Windows has
 * none that means this: see stopRequests.
 */
export function reloadRequests(platform: NodeJS.Platform = process.platform): {
  serveWith(reload: () => void): void;
  close(): void;
} {
  if (platform === 'win32') return { serveWith: () => {}, close: () => {} };
  let serve = (): void => void (early = true);
  let early = false;
  const hadTerminal = hasTerminal();
  const onSignal = (): void => {
    // The kernel's own SIGHUP: the window or the connection it was started in has been closed.
    if (hadTerminal && !hasTerminal()) process.kill(process.pid, 'SIGTERM');
    else serve();
  };
  process.on('SIGHUP', onSignal);
  return {
    serveWith: (reload) => {
      serve = reload;
      if (early) reload();
    },
    close: () => process.off('SIGHUP', onSignal),
  };
}

/** Whether there is a controlling terminal: tty(4). */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** Turns the first of the signals and unhandled failures into a request to stop. */
export function stopRequests(
  log: Log,
  platform: NodeJS.Platform = process.platform,
  clock: Pick<Clock, 'sleep'> = systemClock,
): StopRequests {
  let resolve: (request: StopRequest) => void;
  const requested = new Promise<StopRequest>((fulfil) => (resolve = fulfil));
  let fail: (error: unknown) => void;
  const failed = new Promise<unknown>((fulfil) => (fail = fulfil));
  let asked = false;
  const ask = (request: StopRequest) => {
    asked = true;
    resolve(request);
  };
  const onSignal = (signal: NodeJS.Signals) => {
    // Ended here and now, it would leave its apps behind as orphans.
    if (asked) return log.warn(`${signal} received again: still stopping, each app has its stop_timeout`);
    ask({ status: 0, message: `${signal} received, stopping` });
  };
  const onFailure = (error: unknown) => {
    fail(error);
    if (!asked) ask({ status: 1, message: `heapwarden has failed and stops: ${stackOf(error)}` });
  };
  const listeners = {
    SIGTERM: onSignal,
    SIGINT: onSignal,
    // Ctrl-Break, and that the console window is being closed: nodejs.org/api/process.html#signal-events.
    ...(platform === 'win32' ? { SIGBREAK: onSignal, SIGHUP: onSignal } : {}),
    uncaughtException: onFailure,
    unhandledRejection: onFailure,
  } as const;
  for (const [event, listener] of Object.entries(listeners)) process.on(event, listener);
  const overdue = async (): Promise<never> => {
    const error = await failed;
    await clock.sleep(LAST_STOP_MS);
    throw error;
  };
  return {
    requested,
    during: (started) => Promise.race([started, overdue()]),
    close: () => {
      for (const [event, listener] of Object.entries(listeners)) process.off(event, listener);
    },
  };
}

export function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
}
