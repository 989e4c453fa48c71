import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { connect } from 'node:net';
import { underAny } from '../abort.js';
import type { Clock } from '../clock.js';
import type { ReadyCheck } from '../config/schema.js';
import type { ReadyTarget } from '../supervisors/contract.js';

/** Between two tries, and what even the last one gets. */
const PAUSE_MS = 200;
const TRY_TIMEOUT_MS = 2000;

type Where = Pick<ReadyTarget, 'socketPath'>;

/**
 * Waits until the `http` or `tcp` check passes, asked over the target's own socket where it has one; false when it has
 * not within its timeout, or when `signal` aborts. `agent` and `pm2` are for others to answer, and throw a TypeError.
 */
export async function waitUntilReady(check: ReadyCheck, target: Where, clock: Clock, signal: AbortSignal): Promise<boolean> {
  const ask = question(check, target);
  const deadline = clock.monotonic() + check.timeout;
  while (!signal.aborted) {
    const timeoutMs = Math.max(PAUSE_MS, Math.min(deadline - clock.monotonic(), TRY_TIMEOUT_MS));
    if (await underAny([signal, AbortSignal.timeout(Math.ceil(timeoutMs))], ask)) return true;
    if (clock.monotonic() + PAUSE_MS > deadline) return false;
    await clock.sleep(PAUSE_MS, signal);
  }
  return false;
}

function question({ http, status, tcp }: ReadyCheck, where: Where): (signal: AbortSignal) => Promise<boolean> {
  if (http !== undefined) return (signal) => answersHttp(new URL(http), status, where, signal);
  if (tcp !== undefined) return (signal) => accepts(tcp, where, signal);
  throw new TypeError('neither an http nor a tcp check');
}

/** Without an expected status, 2xx and 3xx count as ready, as with a kubelet's httpGet probe. */
function answersHttp(url: URL, wanted: number | undefined, { socketPath }: Where, signal: AbortSignal): Promise<boolean> {
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  // A connection for each try: one that is kept says nothing about the next process.
  const options = { agent: false as const, signal, ...(socketPath === null ? {} : { socketPath }) };
  return new Promise((resolve) => {
    const sent = request(url, options, ({ statusCode = 0 }) => {
      resolve(wanted === undefined ? statusCode >= 200 && statusCode < 400 : statusCode === wanted);
      sent.destroy();
    });
    sent.on('error', () => resolve(false)).end();
  });
}

function accepts(address: string, { socketPath }: Where, signal: AbortSignal): Promise<boolean> {
  const [, host = '', port] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
  return new Promise((resolve) => {
    const socket = connect({ ...(socketPath === null ? { host, port: Number(port) } : { path: socketPath }), signal });
    socket.on('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
