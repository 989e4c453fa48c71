import type { AppConfig } from '../config/schema.js';
import { wantsCollection } from '../decide/live-heap.js';
import type { AgentHub } from '../observe/hub.js';
import type { Series, SeriesBook } from '../observe/series.js';
import type { Workers } from '../observe/tracker.js';

export interface CollectionsParts {
  hub: Pick<AgentHub, 'collect'>;
  series: Pick<SeriesBook, 'of'>;
}

/** Has processes collect their garbage now and then, so that a heap that leaks is known from one that is only full. */
export class Collections {
  readonly #parts: CollectionsParts;
  /** By the series' time; a new process has a new series. */
  readonly #askedAt = new WeakMap<Series, number>();

  constructor(parts: CollectionsParts) {
    this.#parts = parts;
  }

  /** Once a round; waits for nobody. */
  look(apps: readonly AppConfig[], workers: Workers): void {
    const measured = new Set(apps.filter(({ runtime }) => runtime !== 'none').map(({ name }) => name));
    for (const worker of workers.values()) {
      const series = worker.agent && measured.has(worker.app) ? this.#parts.series.of(worker) : null;
      if (!series?.latest || !wantsCollection(series, this.#askedAt.get(series) ?? null)) continue;
      this.#askedAt.set(series, series.latest.at);
      void this.#parts.hub.collect(worker.agent!.pid);
    }
  }
}
