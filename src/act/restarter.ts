import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import type { Ask } from '../decide/decision.js';
import { decide, type Facts, type Judgement } from '../decide/policy.js';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { workerKey, type WorkerState } from '../observe/tracker.js';
import type { Observer } from '../observe/observer.js';
import type { Supervisor } from '../supervisors/contract.js';
import type { History } from './history.js';
import type { Incident, Outcome } from './incident.js';
import type { Journal } from './journal.js';
import { judgeOutcome, measurementOf } from './outcome.js';
import { waitUntilReady } from './ready.js';

/** A new process must outlive this before it counts: one that exits at once was never ready. */
const SETTLE_MS = 1000;
const NEW_PROCESS_TIMEOUT_MS = 30_000;
const POLL_MS = 200;

export interface RestarterParts {
  /** The app's config; null where it is not configured (any more). */
  app(name: string): AppConfig | null;
  supervisors: ReadonlyMap<string, Supervisor>;
  observer: Observer;
  journal: Journal;
  history: History;
  clock: Clock;
  log: Log;
  /** Told of every incident twice: when it is decided, and when a restart has its outcome. */
  onIncident(incident: Incident): void;
  onJournalError(): void;
}

export type Answer = Judgement & { app: string; worker: string; incident: string | null };

/** The one hand that restarts: every ask goes through here, whoever asks. */
export class Restarter {
  readonly #parts: RestarterParts;
  readonly #closing = new AbortController();
  /** Workers that are being restarted or wait for it. */
  readonly #busy = new Set<string>();
  /** One restart of an app at a time. */
  readonly #queues = new Map<string, Promise<void>>();
  /** The last refusal told for each ask, so that an ask repeated every few seconds is put on record once. */
  readonly #told = new Map<string, string>();

  constructor(parts: RestarterParts) {
    this.#parts = parts;
  }

  /**
   * Decides, and where the answer is restart, resolves as soon as the intent is on disk; the restart itself goes on
   * behind. Throws HeapwardenError JOURNAL_UNWRITABLE: then nothing was and nothing will be touched.
   */
  async ask(ask: Ask): Promise<Answer> {
    const { observer, clock } = this.#parts;
    const worker = await observer.remeasure(ask.app, ask.worker);
    // From here to the reservation nothing is awaited: two asks for one worker cannot both pass.
    const nowMs = clock.now();
    const judgement = decide(ask, this.#facts(ask, worker, nowMs), nowMs);
    const incident = newIncident(ask, judgement, worker && measurementOf(worker, this.#parts.app(ask.app)), nowMs);
    if (judgement.action === 'refuse') return this.#refuse(ask, judgement, incident);
    await this.#reserve(incident);
    this.#told.delete(askKey(ask));
    this.#enqueue(incident);
    return { ...judgement, app: ask.app, worker: ask.worker, incident: incident.id };
  }

  /** Puts an end to the records that a warden left open when it died. Nothing is restarted by this. */
  async finishInterrupted(): Promise<void> {
    for (const incident of this.#parts.history.open()) {
      const app = this.#parts.app(incident.app);
      const now = await this.#parts.observer.remeasure(incident.app, incident.worker);
      const ready = app?.restart.ready && now?.reading ? await this.#isReady(app) : true;
      await this.#finish(incident, judgeOutcome(incident, app, { now, ready, stop: null, error: null, interrupted: true }, this.#parts.clock.now()));
    }
  }

  isBusy(app: string, worker: string): boolean {
    return this.#busy.has(workerKey(app, worker));
  }

  /** No new restarts; what is under way is left where it is, its record open for the next warden. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#queues.values());
  }

  #facts(ask: Ask, worker: WorkerState | null, nowMs: number): Facts {
    const { history, observer } = this.#parts;
    const app = this.#parts.app(ask.app);
    const others = [...observer.workers.values()].filter((other) => other.app === ask.app && other.worker !== ask.worker);
    return {
      app,
      worker,
      inProgress: this.isBusy(ask.app, ask.worker),
      alertAnswered: ask.alert !== null && history.hasAnswered(ask.alert, ask.app, ask.worker),
      lastRestartMs: history.lastRestart(ask.app, ask.worker)?.atMs ?? null,
      restartsInWindow: app ? history.restartsSince(ask.app, nowMs - app.restart.budget.windowMs) : 0,
      workers: others.length + 1,
      othersUp: others.filter((other) => other.reading && !this.isBusy(other.app, other.worker)).length,
    };
  }

  async #refuse(ask: Ask, judgement: Judgement, incident: Incident): Promise<Answer> {
    const { journal, history, log } = this.#parts;
    this.#parts.onIncident(incident);
    const answer = { ...judgement, app: ask.app, worker: ask.worker };
    if (this.#told.get(askKey(ask)) === judgement.reason) return { ...answer, incident: null };
    this.#told.set(askKey(ask), judgement.reason);
    log.info(judgement.sentence, { app: ask.app, worker: ask.worker, decision: 'refuse', reason: judgement.reason });
    history.add(incident);
    await journal.record(incident).catch((error: unknown) => this.#journalFailed(error));
    return { ...answer, incident: incident.id };
  }

  async #reserve(incident: Incident): Promise<void> {
    const { journal, history } = this.#parts;
    const key = workerKey(incident.app, incident.worker);
    this.#busy.add(key);
    history.add(incident);
    try {
      await journal.record(incident);
    } catch (error) {
      this.#busy.delete(key);
      history.withdraw(incident.id);
      this.#journalFailed(error);
      throw error;
    }
  }

  #enqueue(incident: Incident): void {
    const { log } = this.#parts;
    log.warn(incident.sentence, { app: incident.app, worker: incident.worker, decision: 'restart', reason: incident.reason, incident: incident.id });
    this.#parts.onIncident(incident);
    const before = this.#queues.get(incident.app) ?? Promise.resolve();
    const done = before
      .then(() => this.#carryOut(incident))
      .catch((error: unknown) => log.error(`incident ${incident.id}: ${messageOf(error)}`))
      .finally(() => this.#busy.delete(workerKey(incident.app, incident.worker)));
    this.#queues.set(incident.app, done);
  }

  async #carryOut(incident: Incident): Promise<void> {
    const signal = this.#closing.signal;
    const app = this.#parts.app(incident.app);
    const supervisor = this.#parts.supervisors.get(incident.app);
    if (signal.aborted || !app || !supervisor) return;
    const stopTimeoutMs = app.restart.stop_timeout;
    const report = await supervisor.restart(incident.worker, { stopTimeoutMs, signal }).catch((error: unknown) => messageOf(error));
    if (signal.aborted) return;
    if (typeof report === 'string') {
      const now = await this.#parts.observer.remeasure(incident.app, incident.worker);
      return this.#finish(incident, judgeOutcome(incident, app, { now, ready: false, stop: null, error: report, interrupted: false }, this.#parts.clock.now()));
    }
    const running = await this.#waitForNewProcess(incident);
    const ready = running && (await this.#isReady(app));
    if (signal.aborted) return;
    const now = await this.#parts.observer.remeasure(incident.app, incident.worker);
    await this.#finish(incident, judgeOutcome(incident, app, { now, ready, stop: report.stop, error: null, interrupted: false }, this.#parts.clock.now()));
  }

  /** True when the slot holds a new process that has lived for SETTLE_MS. */
  async #waitForNewProcess(incident: Incident): Promise<boolean> {
    const { observer, clock } = this.#parts;
    const signal = this.#closing.signal;
    const deadline = clock.now() + NEW_PROCESS_TIMEOUT_MS;
    while (!signal.aborted && clock.now() < deadline) {
      const process = (await observer.remeasure(incident.app, incident.worker))?.reading;
      const isNew = process && (process.root.pid !== incident.before?.pid || process.root.start !== incident.before.start);
      if (isNew && clock.now() - process.startedAtMs >= SETTLE_MS) return true;
      await clock.sleep(POLL_MS, signal);
    }
    return false;
  }

  async #isReady(app: AppConfig): Promise<boolean> {
    const check = app.restart.ready;
    return check ? waitUntilReady(check, this.#parts.clock, this.#closing.signal) : true;
  }

  async #finish(incident: Incident, outcome: Outcome): Promise<void> {
    const { history, journal, log } = this.#parts;
    history.complete(incident.id, outcome);
    const fields = { app: incident.app, worker: incident.worker, reason: incident.reason, result: outcome.result, incident: incident.id };
    log[outcome.result === 'recovered' ? 'info' : 'error'](outcome.sentence, fields);
    this.#parts.onIncident({ ...incident, outcome });
    await journal.complete(incident.id, outcome).catch((error: unknown) => this.#journalFailed(error));
  }

  #journalFailed(error: unknown): void {
    this.#parts.onJournalError();
    const known = error instanceof HeapwardenError ? error.message : messageOf(error);
    this.#parts.log.error(`${known}; while it cannot be written, nothing is restarted`);
  }
}

const askKey = (ask: Ask): string => `${workerKey(ask.app, ask.worker)}\u0000${ask.reason}\u0000${ask.origin}`;

function newIncident(ask: Ask, judgement: Judgement, before: Incident['before'], nowMs: number): Incident {
  const time = new Date(nowMs).toISOString().replace(/[-:.]/g, '');
  const { action, reason } = judgement;
  return {
    ...(action === 'restart' ? { action, reason } : { action, reason }),
    id: `${time}-${randomBytes(3).toString('hex')}`,
    atMs: nowMs,
    app: ask.app,
    worker: ask.worker,
    origin: ask.origin,
    asked: ask.reason,
    force: ask.force,
    sentence: judgement.sentence,
    alert: ask.alert,
    before,
    outcome: null,
  };
}
