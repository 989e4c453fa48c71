import type { Range } from '../../publish/day.js';
import type { AppStatus, WorkerStatus } from '../../publish/app-shape.js';
import { restartButtons } from './actions.js';
import { history } from './api.js';
import { Chart } from './chart.js';
import { h, setAttribute, setText } from './dom.js';
import { Trace } from './trace.js';
import { forecastWords, leakWords } from '../../publish/leak-words.js';
import { bytes, delay, elapsed, percent, roughly, stateOf } from './words.js';

const FIGURES = ['Heap', 'Heap limit', 'Live heap', 'External', 'Loop delay', 'GC share', 'Uptime', 'Process', 'Node.js'] as const;
type Figure = (typeof FIGURES)[number];

/** Milliseconds between two looks at the past: what was measured meanwhile came with the stream, GC apart. */
const REFRESH_MS = 60_000;

/** One worker. Out of sight its state alone is kept up to date, and no chart is there: there may be hundreds. */
export class WorkerCard {
  readonly element: HTMLElement;
  readonly #state = h('span', { class: 'state' });
  readonly #memory = h('strong', { class: 'memory' });
  readonly #ofLimit = h('span', { class: 'soft' });
  readonly #words = h('p', { class: 'words' });
  readonly #plot = h('div', { class: 'plot', role: 'img' });
  readonly #figures: Record<Figure, HTMLElement>;
  readonly #trace: Trace;
  #chart: Chart | null = null;
  #latest: [WorkerStatus, AppStatus];
  #range: Range;
  #loadedAt = -Infinity;
  #restarts: readonly number[] = [];

  constructor(worker: WorkerStatus, app: AppStatus, range: Range) {
    this.#latest = [worker, app];
    this.#range = range;
    this.#trace = new Trace(range);
    this.#figures = Object.fromEntries(FIGURES.map((name) => [name, h('dd', {}, '–')])) as Record<Figure, HTMLElement>;
    const figures = FIGURES.map((name) => h('div', {}, h('dt', {}, name), this.#figures[name]));
    const buttons = app.managed ? restartButtons(app.app, worker.worker) : [];
    this.element = h(
      'article',
      { class: 'worker', 'aria-label': `${app.app}/${worker.worker}` },
      h('header', {}, h('h3', {}, `Worker ${worker.worker}`), this.#state, h('div', { class: 'buttons' }, ...buttons)),
      h('p', { class: 'figure' }, this.#memory, ' ', this.#ofLimit),
      this.#plot,
      this.#words,
      h('dl', {}, ...figures),
    );
    this.#write(worker, app);
  }

  /** `atSeconds`: the warden's time, since the Unix epoch. */
  update(worker: WorkerStatus, app: AppStatus, atSeconds: number): void {
    this.#latest = [worker, app];
    const [tone, words] = stateOf(worker, app);
    setAttribute(this.element, 'data-tone', tone);
    setText(this.#state, words);
    this.#trace.push(atSeconds, [worker.resident_memory_bytes, worker.heap_used_bytes, worker.heap_live_bytes]);
    if (!this.#chart) return;
    this.#write(worker, app);
    this.#chart.draw(app.limits);
    this.#refresh();
  }

  #write(worker: WorkerStatus, app: AppStatus): void {
    const limit = app.limits.rss?.restart;
    const memory = worker.resident_memory_bytes;
    setText(this.#memory, bytes(memory));
    setText(this.#ofLimit, limit === undefined ? 'no limit' : `of ${bytes(limit)}${memory === null ? '' : `, ${percent(memory / limit)}`}`);
    const cooldown = worker.cooldown_seconds > 0 ? `cooldown: ${elapsed(worker.cooldown_seconds)}` : null;
    setText(this.#words, [forecastWords(worker, app.limits.rss?.restart, roughly), leakWords(worker), cooldown].filter((part) => part !== null).join('; '));
    const figures: Record<Exclude<Figure, 'GC share'>, string> = {
      Heap: bytes(worker.heap_used_bytes),
      'Heap limit': bytes(worker.heap_limit_bytes),
      'Live heap': bytes(worker.heap_live_bytes),
      External: bytes(worker.external_memory_bytes),
      'Loop delay': delay(worker.eventloop_lag_p99_seconds),
      Uptime: elapsed(worker.uptime_seconds),
      Process: worker.pid === null ? '–' : String(worker.pid),
      'Node.js': worker.node_version ?? '–',
    };
    for (const [name, text] of Object.entries(figures)) setText(this.#figures[name as Figure], text);
    setAttribute(this.#plot, 'aria-label', `memory of ${app.app}/${worker.worker} over time; now ${bytes(memory)}`);
  }

  /** `restarts`: when it was restarted, in seconds since the Unix epoch. */
  mark(restarts: readonly number[]): void {
    this.#restarts = restarts;
    this.#chart?.mark(restarts);
  }

  /** The past anew: over another range, or after a time in which nothing was heard. */
  reload(range: Range): void {
    this.#range = range;
    this.#loadedAt = -Infinity;
    this.#refresh();
  }

  show(): void {
    if (this.#chart) return;
    this.#write(...this.#latest);
    this.#chart = new Chart(this.#plot, this.#trace, this.#latest[1].limits);
    this.#chart.mark(this.#restarts);
    this.#refresh();
  }

  hide(): void {
    this.#chart?.close();
    this.#chart = null;
  }

  #refresh(): void {
    if (this.#chart && performance.now() - this.#loadedAt > REFRESH_MS) void this.#load(this.#range);
  }

  async #load(range: Range): Promise<void> {
    this.#loadedAt = performance.now();
    const [{ worker }, { app, limits }] = this.#latest;
    const past = await history(app, worker, range);
    // What could not be had is asked for again with a later refresh, or when the stream is back.
    if (!past || range !== this.#range) return;
    const own = past.workers.find((candidate) => candidate.worker === worker);
    this.#trace.load(past.start_seconds, own, range);
    setText(this.#figures['GC share'], percent(own?.gc_ratio.findLast((ratio) => ratio !== null) ?? null));
    this.#chart?.draw(limits);
  }
}
