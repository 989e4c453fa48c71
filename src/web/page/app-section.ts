import type { IncidentStatus } from '../../publish/incident-shape.js';
import type { Range } from '../../publish/day.js';
import type { AppStatus } from '../../publish/app-shape.js';
import { missingWords } from '../../publish/missing-words.js';
import { pauseButtons, restartButtons } from './actions.js';
import { h, setText } from './dom.js';
import { WorkerCard } from './worker-card.js';
import { elapsed, time } from './words.js';

const BLOCK_WORDS: Record<AppStatus['workers'][number]['blocked'][number], string> = {
  paused: 'paused',
  outside_window: 'outside its windows',
  ineffective: 'restarts do not help: resume it, or release a cure',
};

/** One app with its workers. */
export class AppSection {
  readonly element: HTMLElement;
  /** What it is made for: without it there are no buttons, neither here nor on its workers' cards. */
  readonly managed: boolean;
  readonly #app: string;
  readonly #facts = h('p', { class: 'soft' });
  readonly #missing = h('p', { class: 'troubles' });
  readonly #grid = h('div', { class: 'workers' });
  readonly #cards = new Map<string, WorkerCard>();
  readonly #pause: ReturnType<typeof pauseButtons>;
  readonly #seen: IntersectionObserver;
  #range: Range;

  constructor(status: AppStatus, range: Range) {
    this.managed = status.managed;
    this.#app = status.app;
    this.#range = range;
    this.#pause = pauseButtons(status.app);
    const buttons = status.managed ? [...restartButtons(status.app, null), this.#pause.pause, this.#pause.resume] : [];
    this.element = h(
      'section',
      { class: 'app' },
      h('header', {}, h('h2', {}, status.app), h('div', { class: 'buttons' }, ...buttons)),
      this.#facts,
      this.#missing,
      this.#grid,
    );
    this.#seen = new IntersectionObserver((entries) => this.#look(entries), { rootMargin: '200px' });
  }

  update(status: AppStatus, atSeconds: number): void {
    setText(this.#facts, factsOf(status));
    const missing = missingWords(status);
    this.#missing.hidden = missing === null;
    setText(this.#missing, missing === null ? '' : `it ${missing}`);
    this.#pause.pause.hidden = status.paused !== null;
    this.#pause.resume.hidden = status.paused === null && !status.workers.some(({ blocked }) => blocked.includes('ineffective'));
    const present = new Set(status.workers.map(({ worker }) => worker));
    for (const [worker, card] of this.#cards) {
      if (present.has(worker)) continue;
      this.#seen.unobserve(card.element);
      card.hide();
      card.element.remove();
      this.#cards.delete(worker);
    }
    for (const worker of status.workers) {
      const known = this.#cards.get(worker.worker);
      if (known) {
        known.update(worker, status, atSeconds);
        continue;
      }
      const card = new WorkerCard(worker, status, this.#range);
      card.update(worker, status, atSeconds);
      this.#cards.set(worker.worker, card);
      this.#grid.append(card.element);
      this.#seen.observe(card.element);
    }
  }

  mark(incidents: readonly IncidentStatus[]): void {
    for (const [slot, card] of this.#cards) {
      const own = incidents.filter(({ app, worker, action }) => app === this.#app && worker === slot && action === 'restart');
      card.mark(own.map(({ timestamp_seconds }) => timestamp_seconds));
    }
  }

  /** The past anew, over this range. */
  reload(range: Range): void {
    this.#range = range;
    for (const card of this.#cards.values()) card.reload(range);
  }

  matches(words: string): boolean {
    return this.#app.toLowerCase().includes(words.toLowerCase());
  }

  close(): void {
    this.#seen.disconnect();
    for (const card of this.#cards.values()) card.hide();
    this.element.remove();
  }

  #look(entries: readonly IntersectionObserverEntry[]): void {
    const cards = new Map<Element, WorkerCard>([...this.#cards.values()].map((card) => [card.element, card]));
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) cards.get(target)?.show();
      else cards.get(target)?.hide();
    }
  }
}

function factsOf({ supervisor, managed, dry_run, paused, restart_budget, restart_budget_remaining, workers }: AppStatus): string {
  if (!managed) return 'reports in, and is not in the config: it is shown, and never restarted';
  const blocks = new Set(workers.flatMap(({ blocked }) => blocked.filter((block) => block !== 'paused')));
  const facts = [
    supervisor,
    restart_budget && `${restart_budget_remaining} of ${restart_budget.count} restarts left in ${elapsed(restart_budget.window_seconds)}`,
    dry_run && 'dry run: nothing is touched',
    paused && (paused.until_seconds === null ? 'paused by a person' : `paused by a person until ${time(paused.until_seconds)}`),
    ...[...blocks].map((block) => BLOCK_WORDS[block]),
  ];
  return facts.filter((fact) => typeof fact === 'string').join(' · ');
}
