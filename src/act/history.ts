import type { Clock } from '../clock.js';
import { isByPerson, type AlertRef } from '../decide/decision.js';
import { workerKey } from '../observe/tracker.js';
import type { Budget } from '../units.js';
import { UNTOLD, type AppState } from './app-state.js';
import { remembered, tookMsOf, wasCarriedOut, type Incident, type Outcome, type Recorded } from './incident.js';

/** So many more than are remembered may be held before they are counted again. */
const SLACK = 200;

/** Resources of which a restart can be said not to have helped. */
const CURABLE: readonly string[] = ['rss', 'heap', 'freeze'];

/**
 * The journal's content in memory: what the policy needs to know of the past. Ages are by the clock that never jumps,
 * so that a cooldown outlives a change of the time of day; where a warden starts, it has only the latter to go by.
 */
export class History {
  /** Oldest first. */
  #incidents: Recorded[];
  /** Those that were restarts, oldest first: asked for several times a decision, and of each worker in each scrape. */
  #restarts: { byApp: Map<string, Incident[]>; byWorker: Map<string, Incident[]> } | null = null; // null after a change
  #added = 0;
  readonly #clock: Clock;
  readonly #apps: Map<string, AppState>;
  /** By incident: when it was decided, on the clock that never jumps. */
  readonly #decidedAt = new WeakMap<Recorded, number>();
  /** By app: its `freshSinceMs`, on that clock. */
  readonly #freshAt = new Map<string, number>();

  constructor(incidents: readonly Recorded[], clock: Clock, apps: ReadonlyMap<string, AppState> = new Map()) {
    this.#incidents = [...incidents];
    this.#clock = clock;
    this.#apps = new Map(apps);
    for (const incident of incidents) this.#date(incident);
    for (const [app, state] of apps) this.#dateFresh(app, state);
  }

  add(incident: Recorded): void {
    this.#incidents.push(incident);
    this.#date(incident);
    if (incident.action === 'restart') this.#restarts = null;
    if (++this.#added % SLACK > 0) return;
    this.#incidents = remembered(this.#incidents);
    this.#restarts = null;
  }

  complete(id: string, outcome: Outcome): void {
    const incident = this.find(id);
    if (!incident || incident.action === 'death') return;
    incident.outcome = outcome;
    this.#restarts = null;
  }

  /** For an intent that could not be put on disk: it never happened. */
  withdraw(id: string): void {
    this.#incidents = this.#incidents.filter((incident) => incident.id !== id);
    this.#restarts = null;
  }

  stateOf(app: string): AppState {
    return this.#apps.get(app) ?? UNTOLD;
  }

  /** Those with a state, whether they are configured still or not. */
  notedApps(): string[] {
    return [...this.#apps.keys()];
  }

  setState(app: string, state: AppState): void {
    if (state.freshSinceMs !== this.stateOf(app).freshSinceMs) this.#dateFresh(app, state);
    this.#apps.set(app, state);
  }

  find(id: string): Recorded | null {
    return this.#incidents.findLast((incident) => incident.id === id) ?? null;
  }

  /** Newest first. */
  list(filter: { app?: string | undefined; limit: number }): Recorded[] {
    const wanted = this.#incidents.filter(({ app }) => filter.app === undefined || app === filter.app);
    return wanted.slice(-filter.limit).toReversed();
  }

  /** Restarts whose outcome is not on record: under way, or cut off by the warden's own death. */
  open(): Incident[] {
    return this.#incidents.filter((incident) => incident.action === 'restart').filter(({ outcome }) => outcome === null);
  }

  lastRestart(app: string, worker: string): Incident | null {
    return this.restartsOf(app, worker).at(-1) ?? null;
  }

  /** The last that the worker's schedule came to, a refusal too; null where nothing is on record of it. */
  lastScheduled(app: string, worker: string): Incident | null {
    const isScheduled = (incident: Recorded): incident is Incident =>
      incident.action !== 'death' && incident.origin === 'schedule';
    return this.#incidents.filter(isScheduled).findLast((one) => one.app === app && one.worker === worker) ?? null;
  }

  /** Oldest first, those under way too. */
  restartsOf(app: string, worker: string): readonly Incident[] {
    return this.#index().byWorker.get(workerKey(app, worker)) ?? [];
  }

  /** As `sinceOutcome`, of the worker's last restart; null where there was none. */
  sinceLastRestart(app: string, worker: string): number | null {
    const last = this.lastRestart(app, worker);
    return last && this.sinceOutcome(last);
  }

  /**
   * Milliseconds since a restart had its outcome, or since it was decided where it has none. Between the two it may have
   * waited for long.
   */
  sinceOutcome(restart: Incident): number {
    return Math.max(0, this.age(restart) - (restart.outcome ? tookMsOf(restart, restart.outcome) : 0));
  }

  /** Milliseconds since it was decided. */
  age(incident: Recorded): number {
    return this.#clock.monotonic() - this.#decidedAt.get(incident)!;
  }

  restartsWithin(app: string, windowMs: number): number {
    return this.#restartsOfApp(app).filter((incident) => this.age(incident) < windowMs).length;
  }

  /** Restarts of the app that its budget still allows. */
  budgetLeft(app: string, { count, windowMs }: Budget): number {
    return Math.max(0, count - this.restartsWithin(app, windowMs));
  }

  /**
   * The worker's last restarts in a row that did not help, newest first: above its critical line at once, or back at
   * its limit within its startup grace. Those that failed, or were for another cause, say nothing of it. It begins anew
   * with a person's word or a new release.
   */
  fruitless(app: string, worker: string): Incident[] {
    const freshAt = this.#freshAt.get(app) ?? -Infinity;
    const fruitless: Incident[] = [];
    for (const incident of this.restartsOf(app, worker).toReversed()) {
      const { asked: reason, origin, force, outcome } = incident;
      if (isByPerson({ origin, reason, force }) || this.#decidedAt.get(incident)! <= freshAt) break;
      if (!CURABLE.includes(reason) || !outcome || outcome.result === 'failed' || outcome.result === 'not_ready') continue;
      // Records of an older version do not know of relapses.
      if (outcome.result !== 'ineffective' && (outcome.relapsedAtMs ?? null) === null) break;
      fruitless.push(incident);
    }
    return fruitless;
  }

  /** Whether this alert is leading, or has led, to a new process of this worker. */
  hasAnswered(alert: AlertRef, app: string, worker: string): boolean {
    return this.restartsOf(app, worker).some(
      (incident) =>
        incident.alert?.fingerprint === alert.fingerprint &&
        incident.alert.startsAtMs === alert.startsAtMs &&
        (incident.outcome === null || (incident.outcome.result !== 'failed' && wasCarriedOut(incident))),
    );
  }

  #date(incident: Recorded): void {
    this.#decidedAt.set(incident, this.#monotonic(incident.atMs));
  }

  #dateFresh(app: string, { freshSinceMs }: AppState): void {
    if (freshSinceMs === null) this.#freshAt.delete(app);
    else this.#freshAt.set(app, this.#monotonic(freshSinceMs));
  }

  /** Of a record from the future, as after the time of day was put back, no more is known than that it is past. */
  #monotonic(atMs: number): number {
    return this.#clock.monotonic() - Math.max(0, this.#clock.now() - atMs);
  }

  #restartsOfApp(app: string): readonly Incident[] {
    return this.#index().byApp.get(app) ?? [];
  }

  /** Those that were cancelled never happened. */
  #index(): { byApp: Map<string, Incident[]>; byWorker: Map<string, Incident[]> } {
    if (this.#restarts) return this.#restarts;
    const [byApp, byWorker] = [new Map<string, Incident[]>(), new Map<string, Incident[]>()];
    const put = (index: Map<string, Incident[]>, key: string, incident: Incident): void => {
      const known = index.get(key);
      if (known) known.push(incident);
      else index.set(key, [incident]);
    };
    for (const incident of this.#incidents) {
      if (incident.action !== 'restart' || incident.outcome?.result === 'cancelled') continue;
      put(byApp, incident.app, incident);
      put(byWorker, workerKey(incident.app, incident.worker), incident);
    }
    this.#restarts = { byApp, byWorker };
    return this.#restarts;
  }
}
