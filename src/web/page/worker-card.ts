import type { AppHistory, Range } from '../../publish/day.js';
import type { AppStatus, WorkerStatus } from '../../publish/status.js';
import { restartButtons } from './actions.js';
import { Chart } from './chart.js';
import { h, setText } from './dom.js';
import { bytes, elapsed, forecastWords, leakWords, percent, stateOf } from './words.js';

const FIGURES = ['Heap', 'Live heap', 'External', 'Loop delay', 'GC', 'Uptime', 'Process', 'Node.js'] as const;
type Figure = (typeof FIGURES)[number];

/** One worker. Its chart is there only while it can be seen: there may be hundreds. */
export class WorkerCard {
  readonly element: HTMLElement;
  readonly #worker: string;
  readonly #state = h('span', { class: 'state' });
  readonly #memory = h('strong', { class: 'memory' });
  readonly #ofLimit = h('span', { class: 'soft' });
  readonly #words = h('p', { class: 'words' });
  readonly #plot = h('div', { class: 'plot', role: 'img' });
  readonly #figures: Record<Figure, HTMLElement>;
  #chart: Chart | null = null;
  #latest: [WorkerStatus, AppStatus];
  #past: [AppHistory, Range] | null = null;
  #restarts: readonly number[] = [];

  constructor(worker: WorkerStatus, app: AppStatus) {
    this.#worker = worker.worker;
    this.#latest = [worker, app];
    this.#figures = Object.fromEntries(FIGURES.map((name) => [name, h('dd')])) as Record<Figure, HTMLElement>;
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
    this.update(worker, app, null);
  }

  update(worker: WorkerStatus, app: AppStatus, atSeconds: number | null): void {
    this.#latest = [worker, app];
    const [tone, words] = stateOf(worker, app);
    this.element.dataset['tone'] = tone;
    setText(this.#state, words);
    const limit = app.limits.rss?.restart;
    const memory = worker.resident_memory_bytes;
    setText(this.#memory, bytes(memory));
    setText(this.#ofLimit, limit === undefined ? 'no limit' : `of ${bytes(limit)}${memory === null ? '' : `, ${percent(memory / limit)}`}`);
    setText(this.#words, [forecastWords(worker, app.limits), leakWords(worker)].filter((part) => part !== null).join('; '));
    const figures: Record<Exclude<Figure, 'GC'>, string> = {
      Heap: worker.heap_used_bytes === null ? '–' : `${bytes(worker.heap_used_bytes)} of ${bytes(worker.heap_limit_bytes)}`,
      'Live heap': bytes(worker.heap_live_bytes),
      External: bytes(worker.external_memory_bytes),
      'Loop delay': elapsedShort(worker.eventloop_lag_p99_seconds),
      Uptime: elapsed(worker.uptime_seconds),
      Process: worker.pid === null ? '–' : String(worker.pid),
      'Node.js': worker.node_version ?? '–',
    };
    for (const [name, text] of Object.entries(figures)) setText(this.#figures[name as Figure], text);
    this.#plot.setAttribute('aria-label', `memory of ${app.app}/${this.#worker} over time; now ${bytes(memory)}`);
    if (atSeconds !== null) this.#chart?.push(atSeconds, [memory, worker.heap_used_bytes, worker.heap_live_bytes], app.limits);
  }

  /** `restarts`: when it was restarted, in seconds since the Unix epoch. */
  mark(restarts: readonly number[]): void {
    this.#restarts = restarts;
    this.#chart?.mark(restarts);
  }

  load(past: AppHistory, range: Range): void {
    this.#past = [past, range];
    const own = past.workers.find(({ worker }) => worker === this.#worker);
    setText(this.#figures.GC, percent(own?.gc_ratio.findLast((ratio) => ratio !== null) ?? null));
    this.#chart?.load(past, own, range);
  }

  show(): void {
    if (this.#chart) return;
    this.#chart = new Chart(this.#plot, this.#latest[1].limits);
    if (this.#past) this.load(...this.#past);
    this.#chart.mark(this.#restarts);
  }

  hide(): void {
    this.#chart?.close();
    this.#chart = null;
  }
}

function elapsedShort(seconds: number | null): string {
  if (seconds === null) return '–';
  return seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`;
}
