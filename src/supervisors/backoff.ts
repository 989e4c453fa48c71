/** A process that lives this long was not crashing at start, in milliseconds. */
export const STABLE_AFTER_MS = 30_000;
/** So many ends in a row, each sooner than STABLE_AFTER_MS, are a crash loop. */
export const CRASH_LOOP_EXITS = 10;

const FIRST_MS = 100;
const LONGEST_MS = 30_000;

/** Milliseconds to wait before the next start after the n-th crash in a row: 100, 200, 400 … up to 30 000. */
export function backoffMs(crashes: number): number {
  return Math.min(FIRST_MS * 2 ** (crashes - 1), LONGEST_MS);
}
