import type { Clock } from '../clock.js';
import { nestedProcesses, pidsFromOutside, type NestedProcess, type Stranger } from './inner-pid.js';
import { SharedLooks } from './shared-looks.js';

/** Milliseconds between two looks: each reads something of every process of the machine. */
const REST_MS = 250;

/** Finds processes of other pid namespaces, for their agents. However many come, it looks a few times a second at most. */
export class Strangers {
  readonly #clock: Clock;
  readonly #read: () => Promise<NestedProcess[]>;
  readonly #looks = new SharedLooks<NestedProcess[]>();
  /** Whether those who wait still do. */
  readonly #waiting = new Set<() => boolean>();
  #rest: Promise<void> = Promise.resolve();

  constructor(clock: Clock, read: () => Promise<NestedProcess[]> = nestedProcesses) {
    this.#clock = clock;
    this.#read = read;
  }

  /** As pidsFromOutside; for one that does not wait any more nothing is read, and nothing found. */
  async find(who: Stranger, stillWaits: () => boolean): Promise<number[]> {
    this.#waiting.add(stillWaits);
    try {
      return pidsFromOutside(who, await this.#looks.look('', () => this.#look()));
    } finally {
      this.#waiting.delete(stillWaits);
    }
  }

  async #look(): Promise<NestedProcess[]> {
    await this.#rest;
    if (![...this.#waiting].some((stillWaits) => stillWaits())) return [];
    const nested = await this.#read();
    this.#rest = this.#clock.sleep(REST_MS);
    return nested;
  }
}
