import { setImmediate as turn } from 'node:timers/promises';

/** Milliseconds; whoever else needs the event loop waits no longer than about this for long work. */
const SLICE_MS = 5;
/** The clock is looked at once in so many small steps: a look costs as much as one of them. */
const SMALL_STEPS = 16;

/** Long work of many steps that lets the event loop turn in between. */
export class Slices {
  readonly #every: number;
  #steps = 0;
  #beganAt = performance.now();

  /** `every`: after how many steps the clock is worth a look; 1 where a step may take a millisecond. */
  constructor(every = SMALL_STEPS) {
    this.#every = every;
  }

  /** To be asked after each step; where it says so, `next` is to be awaited. */
  isOver(): boolean {
    this.#steps += 1;
    return this.#steps % this.#every === 0 && performance.now() - this.#beganAt >= SLICE_MS;
  }

  async next(): Promise<void> {
    await turn();
    this.#beganAt = performance.now();
  }
}
