/** Pure: what an answer of a warden means for what was sent to it. */

/** `failed`: it is tried again; `refused`: another attempt would be answered the same. */
export type Verdict = 'delivered' | 'failed' | 'refused';

/**
 * 4xx and 3xx are about the request, and the next one would be the same: 400 and 415 (it cannot be read), 404 and 405
 * (what listens there is no warden), 413 (too large), a redirect (which is never followed: it leads out of the list).
 * Not so 401 and 403 (a token is put right on either side, and then it is good), 408 and 429 (later), and 5xx.
 */
export function verdictOf(status: number): Verdict {
  if (status >= 200 && status < 300) return 'delivered';
  const isForNow = status >= 500 || status < 200 || [401, 403, 408, 425, 429].includes(status);
  return isForNow ? 'failed' : 'refused';
}

/** Milliseconds until the next attempt, after `failures` in a row; at least what the warden asked for. */
export function pauseMs(failures: number, retry: { first: number; most: number }, askedMs: number | null, random: number): number {
  const backoff = Math.min(retry.first * 2 ** (failures - 1), retry.most);
  // Up to a fifth sooner, so that wardens which vanished together are not all called together.
  return Math.max(backoff * (1 - random / 5), Math.min(askedMs ?? 0, retry.most));
}
