import type { Recorded } from './incident.js';

/** How many restarts or deaths of one kind have been on record that are not remembered any more. */
export interface Tally {
  app: string;
  reason: string;
  /** Of a restart; null: these are deaths. */
  result: string | null;
  count: number;
}

/**
 * What the counters go on from, beside what is remembered: where a warden started again with less than the last one had
 * told, Prometheus would take that for a counter that began at 0 and had all of it at once.
 */
export class Tallies {
  readonly #byKind = new Map<string, Tally>();

  /** One that is forgotten now. Those that counters do not go on from, or that were never finished, are passed over. */
  forget(incident: Recorded): void {
    const { action, app, reason, outcome } = incident;
    if (action === 'refuse' || (action === 'restart' && outcome === null)) return;
    const tally = { app, reason, result: outcome?.result ?? null, count: 1 };
    this.#byKind.set(keyOf(tally), { ...tally, count: this.#count(tally) + 1 });
  }

  /** One that was written down. Where two copies of a journal are read, the later has counted what the earlier had. */
  read(tally: Tally): void {
    this.#byKind.set(keyOf(tally), { ...tally, count: Math.max(this.#count(tally), tally.count) });
  }

  list(): Tally[] {
    return [...this.#byKind.values()];
  }

  #count(tally: Tally): number {
    return this.#byKind.get(keyOf(tally))?.count ?? 0;
  }
}

const keyOf = ({ app, reason, result }: Tally): string => JSON.stringify([app, reason, result]);
