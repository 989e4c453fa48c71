import { connect } from 'node:net';
import type { Clock } from '../clock.js';
import type { ReadyCheck } from '../config/schema.js';

/** Between two tries, and what even the last one gets. */
const PAUSE_MS = 200;
const TRY_TIMEOUT_MS = 2000;

/** Waits until the check passes; false when it has not within its timeout, or when `signal` aborts. */
export async function waitUntilReady(check: ReadyCheck, clock: Clock, signal: AbortSignal): Promise<boolean> {
  const deadline = clock.monotonic() + check.timeout;
  while (!signal.aborted) {
    if (await isReady(check, deadline - clock.monotonic(), signal)) return true;
    if (clock.monotonic() + PAUSE_MS > deadline) return false;
    await clock.sleep(PAUSE_MS, signal);
  }
  return false;
}

function isReady(check: ReadyCheck, leftMs: number, signal: AbortSignal): Promise<boolean> {
  const timeoutMs = Math.max(PAUSE_MS, Math.min(leftMs, TRY_TIMEOUT_MS));
  const limit = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(timeoutMs))]);
  return check.http !== undefined ? answersHttp(check.http, limit) : acceptsTcp(check.tcp ?? '', limit);
}

/** 2xx and 3xx count as ready, as with a kubelet's httpGet probe. */
async function answersHttp(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(url, { signal, redirect: 'manual' });
    await response.body?.cancel();
    return response.status >= 200 && response.status < 400;
  } catch {
    return false;
  }
}

function acceptsTcp(address: string, signal: AbortSignal): Promise<boolean> {
  const [, host = '', port] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? [];
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), signal });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
