import type { Clock } from '../../clock.js';

/** One request every `intervalMs`, and `burst` at once where none came for long: Go's x/time/rate. */
export class TokenBucket {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #tokens = Infinity;
  #filledAt = 0;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** 0 where it goes through, else the milliseconds until one will. */
  take({ intervalMs, burst }: { intervalMs: number; burst: number }): number {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#filledAt) / intervalMs);
    this.#filledAt = now;
    if (this.#tokens < 1) return Math.max(1, (1 - this.#tokens) * intervalMs);
    this.#tokens -= 1;
    return 0;
  }
}
