import { setTimeout as sleep } from 'node:timers/promises';

/** The first value that is not null, undefined or false; fails after `timeoutMs`, saying what was waited for. */
export async function waitFor<T>(what: string, look: () => T | Promise<T>, timeoutMs = 20_000): Promise<NonNullable<Exclude<T, false>>> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(50)) {
    const value = await look();
    if (value !== null && value !== undefined && value !== false) return value as NonNullable<Exclude<T, false>>;
  }
  throw new Error(`waited ${timeoutMs / 1000} s for ${what}`);
}

/** Fails as soon as `look` is true within `forMs`. */
export async function never(what: string, look: () => boolean | Promise<boolean>, forMs: number): Promise<void> {
  for (const end = Date.now() + forMs; Date.now() < end; await sleep(100)) {
    if (await look()) throw new Error(`${what}, which must not happen`);
  }
}
