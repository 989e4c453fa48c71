import type { AppConfig } from '../config/schema.js';
import { outlookOf, type Outlook } from '../decide/forecast.js';
import type { LeakSettings } from '../decide/leak.js';
import type { MemorySample, Series, SeriesBook } from '../observe/series.js';
import { Slices } from '../observe/slices.js';
import type { WorkerState } from '../observe/tracker.js';

export interface OutlooksParts {
  series: Pick<SeriesBook, 'of'>;
  app(name: string): AppConfig | null;
  settings: LeakSettings;
}

/** A judgement, and what it was passed on. */
interface Known {
  outlook: Outlook;
  /** Of the series, by `clock.monotonic()`. */
  at: number;
  slices: number;
  app: AppConfig | null;
}

/**
 * Where each worker's memory is heading. To find out takes up to some ms a process, so it is done once for all readers,
 * and again when there is another slice to judge by.
 */
export class Outlooks {
  readonly #parts: OutlooksParts;
  readonly #known = new WeakMap<Series, Known>();
  #running: Promise<void> | null = null;

  constructor(parts: OutlooksParts) {
    this.#parts = parts;
  }

  /** As of the last look, with the forecast carried on to the last sample; null where nothing has been measured. */
  of(worker: WorkerState): Outlook | null {
    const series = this.#parts.series.of(worker);
    return series && carriedOn(this.#known.get(series) ?? this.#judge(series, worker.app), series.latest);
  }

  /** As of the last sample, judged anew. */
  now(worker: WorkerState): Outlook | null {
    const series = this.#parts.series.of(worker);
    return series && this.#judge(series, worker.app).outlook;
  }

  /** Once a round; waits for nobody, and begins no second time before it is through. */
  look(workers: Iterable<WorkerState>): void {
    this.#running ??= this.#lookAt([...workers]).finally(() => (this.#running = null));
  }

  /** Resolves when the look under way is through. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #lookAt(workers: readonly WorkerState[]): Promise<void> {
    const slices = new Slices(1);
    for (const worker of workers) {
      const series = this.#parts.series.of(worker);
      const known = series && this.#known.get(series);
      if (!series || (known && known.slices === series.slices && known.app === this.#parts.app(worker.app))) continue;
      this.#judge(series, worker.app);
      if (slices.isOver()) await slices.next();
    }
  }

  #judge(series: Series, name: string): Known {
    const app = this.#parts.app(name);
    const outlook = outlookOf(series, app, this.#parts.settings);
    const known = { outlook, at: series.latest?.at ?? 0, slices: series.slices, app };
    this.#known.set(series, known);
    return known;
  }
}

function carriedOn({ outlook, at, app }: Known, latest: MemorySample | null): Outlook {
  const { forecastMs, limitBytes } = outlook;
  if (forecastMs === null || limitBytes === null || !latest || latest.at === at) return outlook;
  const used = app?.memory === 'process' ? latest.rootRss : latest.treeRss;
  return { ...outlook, forecastMs: used >= limitBytes ? 0 : Math.max(0, forecastMs - (latest.at - at)) };
}
