import type { Clock } from '../clock.js';

/** At most `count` of a key in any `windowMs`, by a clock that never jumps: nobody is shut out by a changed time. */
export class RateLimit {
  readonly #count: number;
  readonly #windowMs: number;
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** When each of the window was let through, oldest first. */
  readonly #taken = new Map<string, number[]>();

  constructor(count: number, windowMs: number, clock: Pick<Clock, 'monotonic'>) {
    this.#count = count;
    this.#windowMs = windowMs;
    this.#clock = clock;
  }

  /** 0 where it goes through, and is counted; else the milliseconds until one will. */
  take(key: string): number {
    const now = this.#clock.monotonic();
    for (const [name, times] of this.#taken) {
      const recent = times.filter((time) => now - time < this.#windowMs);
      if (recent.length > 0) this.#taken.set(name, recent);
      else this.#taken.delete(name);
    }
    const times = this.#taken.get(key) ?? [];
    const [oldest] = times;
    if (oldest !== undefined && times.length >= this.#count) return oldest + this.#windowMs - now;
    this.#taken.set(key, [...times, now]);
    return 0;
  }
}
