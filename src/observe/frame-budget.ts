/**
 * How much one agent may say: a bucket that a frame empties by 1 and each of its kilobytes by another 1/2. A true agent
 * has at most 32 frames that are not acknowledged, and sends ten times in a second where it is asked for most.
 */
const MOST = 1000;
const REFILL_PER_SECOND = 100;
const BYTES_PER_UNIT = 2048;

export class FrameBudget {
  readonly #monotonic: () => number;
  #left = MOST;
  #filledAt: number;

  /** `monotonic` in milliseconds. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#filledAt = monotonic();
  }

  /** False where that is more than may come. */
  take(frames: number, bytes: number): boolean {
    const now = this.#monotonic();
    this.#left = Math.min(MOST, this.#left + ((now - this.#filledAt) / 1000) * REFILL_PER_SECOND);
    this.#filledAt = now;
    this.#left -= frames + bytes / BYTES_PER_UNIT;
    return this.#left >= 0;
  }
}
