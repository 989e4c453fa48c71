import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Server } from 'node:net';
import type { ServerResponse } from 'node:http';
import { performance } from 'node:perf_hooks';
import { quietly } from './quietly.cjs';
import type { Servers } from './servers.cjs';
import { setTimeout } from './timers.cjs';

const POLL_MS = 25;
/**
 * Milliseconds until idle connections are closed from here: Node closes its own after 5 s (server.keepAliveTimeout) and
 * a buffer of 1 s, and has told their clients so, who use them no longer then. Closed sooner, a request that is on its
 * way would be lost.
 */
const IDLE_MS = 6000;
/** Milliseconds that a drained process waits for its stop signal, lest it end without what it does on one. */
const LINGER_MS = 5000;
const REQUEST_START = 'http.server.request.start';

/** Stops to accept, lets what has begun come to its end, and closes what is idle; nothing of it costs until then. */
export class Drainage {
  /** It has closed a server, which cannot be taken back. */
  isDeaf = false;
  readonly #servers: Servers;
  #running: Promise<boolean> | null = null;

  constructor(servers: Servers) {
    this.#servers = servers;
  }

  /**
   * True when no connection is left; false where some still were after `timeoutMs`: requests that take longer,
   * WebSockets, server-sent events, HTTP/2 sessions; and where there may be servers of which nothing is known. Never
   * rejects. Asked again, it is the first time that counts.
   */
  drain(timeoutMs: number): Promise<boolean> {
    this.#running ??= this.#drain(timeoutMs).catch(() => false);
    return this.#running;
  }

  async #drain(timeoutMs: number): Promise<boolean> {
    const servers = this.#servers.listening();
    const startedAt = performance.now();
    // The client is told to open a new connection, which another process then accepts.
    const sayClose = quietly((message: { server: Server; response: ServerResponse }) => {
      if (servers.includes(message.server)) message.response.setHeader('Connection', 'close');
    }) as (message: unknown) => void;
    subscribe(REQUEST_START, sayClose);
    // Not http's own close(), which since Node 19 cuts idle connections, whatever is on its way on them.
    for (const server of servers) Server.prototype.close.call(server);
    this.isDeaf = servers.length > 0;
    for (;;) {
      const elapsedMs = performance.now() - startedAt;
      const isOver = elapsedMs >= timeoutMs;
      if (isOver || elapsedMs >= IDLE_MS) closeIdle(servers);
      await pause(POLL_MS);
      const isDrained = (await connections(servers)) === 0;
      if (!isDrained && !isOver) continue;
      setTimeout(() => {}, LINGER_MS);
      if (isDrained) unsubscribe(REQUEST_START, sayClose);
      return isDrained && !this.#servers.mayMiss(servers);
    }
  }
}

function closeIdle(servers: Server[]): void {
  for (const server of servers) (server as { closeIdleConnections?: () => void }).closeIdleConnections?.();
}

async function connections(servers: Server[]): Promise<number> {
  const counts = servers.map(
    (server) => new Promise<number>((resolve) => void server.getConnections((error, count) => resolve(error ? 0 : count))),
  );
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
