import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import type { Ask } from '../decide/decision.js';
import { decide, notBreaching, tooFewOthers, type Facts, type Judgement } from '../decide/policy.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { sameProcess } from '../observe/identity.js';
import type { Observer } from '../observe/observer.js';
import { workerKey, type WorkerState } from '../observe/tracker.js';
import type { RestartReport, Supervisor } from '../supervisors/contract.js';
import type { History } from './history.js';
import type { Incident } from './incident.js';
import type { Journal } from './journal.js';
import { judgeOutcome, measurementOf, type Findings } from './outcome.js';
import { waitUntilReady } from './ready.js';

/** A new process must outlive this before it counts: one that exits at once was never ready. */
const SETTLE_MS = 1000;
const NEW_PROCESS_TIMEOUT_MS = 30_000;
/** What a supervisor that was asked before the warden died gets on top of its stop timeout. */
const INTERRUPTED_PATIENCE_MS = 5000;
const POLL_MS = 200;
/** Asks whose last refusal is remembered; anybody's alert may name what it likes. */
const MAX_TOLD = 1000;
const NOT_CONFIGURED = 'its app is no longer configured';

export interface RestarterParts {
  /** The app's config; null where it is not configured (any more). */
  app(name: string): AppConfig | null;
  supervisors: ReadonlyMap<string, Supervisor>;
  observer: Pick<Observer, 'workers' | 'remeasure'>;
  journal: Pick<Journal, 'record' | 'complete'>;
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
  /** The last refusal of each ask, so that one repeated every few seconds is put on record once. Oldest first. */
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
    this.#announce(incident);
    void this.#enqueue(incident, () => this.#carryOut(incident));
    return { ...judgement, app: ask.app, worker: ask.worker, incident: incident.id };
  }

  /**
   * Puts an end to the records that a warden left open when it died; their workers count as busy until then. Touches
   * no process. It may take as long as a restart: the supervisor may be at work on what the dead warden asked of it.
   */
  async finishInterrupted(): Promise<void> {
    const open = this.#parts.history.open();
    await Promise.all(open.map((incident) => this.#enqueue(incident, () => this.#completeRecord(incident))));
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
    const others = othersOf(observer, ask);
    return {
      app,
      worker,
      inProgress: this.isBusy(ask.app, ask.worker),
      alertAnswered: ask.alert !== null && history.hasAnswered(ask.alert, ask.app, ask.worker),
      lastRestartMs: history.lastRestart(ask.app, ask.worker)?.atMs ?? null,
      restartsInWindow: app ? history.restartsSince(ask.app, nowMs - app.restart.budget.windowMs) : 0,
      // One restart of an app at a time: when this one's turn comes, those before it are over. Then it is asked again.
      others: {
        count: others.length,
        up: others.filter((other) => other.reading || this.isBusy(other.app, other.worker)).length,
      },
    };
  }

  async #refuse(ask: Ask, judgement: Judgement, incident: Incident): Promise<Answer> {
    const { journal, history, log } = this.#parts;
    this.#parts.onIncident(incident);
    const answer = { ...judgement, app: ask.app, worker: ask.worker };
    const [key, refusal] = [askKey(ask), refusalKey(incident)];
    if (this.#told.get(key) === refusal) return { ...answer, incident: null };
    this.#told.delete(key);
    this.#told.set(key, refusal);
    if (this.#told.size > MAX_TOLD) this.#told.delete(this.#told.keys().next().value!);
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

  #announce(incident: Incident): void {
    const { id, app, worker, reason, sentence } = incident;
    this.#parts.log.warn(sentence, { app, worker, decision: 'restart', reason, incident: id });
    this.#parts.onIncident(incident);
  }

  /** Resolves when `work` is done, after all that was queued for the app before it. */
  #enqueue(incident: Incident, work: () => Promise<void>): Promise<void> {
    const key = workerKey(incident.app, incident.worker);
    this.#busy.add(key);
    const done = (this.#queues.get(incident.app) ?? Promise.resolve())
      .then(() => (this.#closing.signal.aborted ? undefined : work()))
      .catch((error: unknown) => this.#parts.log.error(`incident ${incident.id}: ${messageOf(error)}`))
      .finally(() => this.#busy.delete(key));
    this.#queues.set(incident.app, done);
    return done;
  }

  async #carryOut(incident: Incident): Promise<void> {
    const app = this.#parts.app(incident.app);
    const supervisor = this.#parts.supervisors.get(incident.app);
    if (!app || !supervisor) return this.#finish(incident, { error: NOT_CONFIGURED });
    const needless = await this.#needlessByNow(incident, app);
    if (needless !== null) return this.#finish(incident, { needless });
    const lack = this.#lackByNow(incident, app);
    if (lack !== null) return this.#finish(incident, { error: lack });
    let report: RestartReport;
    try {
      const options = {
        stopTimeoutMs: app.restart.stop_timeout,
        mode: app.restart.mode,
        isReady: () => this.#isReady(app),
        signal: this.#closing.signal,
      };
      report = await supervisor.restart(incident.worker, options);
    } catch (error) {
      return this.#finish(incident, { error: messageOf(error) });
    }
    const runs = await this.#waitForNewProcess(incident, NEW_PROCESS_TIMEOUT_MS);
    return this.#finish(incident, { ready: runs && (await this.#isReady(app)), stop: report.stop });
  }

  async #completeRecord(incident: Incident): Promise<void> {
    const app = this.#parts.app(incident.app);
    if (!app) return this.#finish(incident, { error: NOT_CONFIGURED, interrupted: true });
    const runs = await this.#waitForNewProcess(incident, app.restart.stop_timeout + INTERRUPTED_PATIENCE_MS);
    return this.#finish(incident, { ready: runs && (await this.#isReady(app)), interrupted: true });
  }

  /** It may have waited for others of the app: whether its process has gone or recovered meanwhile; null where not. */
  async #needlessByNow(incident: Incident, app: AppConfig): Promise<string | null> {
    const worker = await this.#parts.observer.remeasure(incident.app, incident.worker);
    if (incident.force || !worker) return null;
    const { reading } = worker;
    if (reading && !sameProcess(reading.root, incident.before)) return 'for another process has taken its place already';
    return reading && notBreaching(incident.asked, app, worker);
  }

  /** What the restarts that this one waited for have left of min_available; null where it suffices. */
  #lackByNow(incident: Incident, app: AppConfig): string | null {
    const { observer, history } = this.#parts;
    const worker = observer.workers.get(workerKey(incident.app, incident.worker));
    if (incident.force || !worker) return null;
    const others = othersOf(observer, incident);
    const isUp = ({ app: name, worker: slot, reading }: WorkerState): boolean => {
      const latest = history.lastRestart(name, slot)?.outcome;
      const notReady = latest && latest.atMs >= incident.atMs && latest.result === 'not_ready';
      return reading !== null && !notReady;
    };
    return tooFewOthers(app, worker, { count: others.length, up: others.filter(isUp).length });
  }

  /** True as soon as the slot holds a new process that has lived for SETTLE_MS; false where `patienceMs` go by. */
  async #waitForNewProcess(incident: Incident, patienceMs: number): Promise<boolean> {
    const { observer, clock } = this.#parts;
    const { signal } = this.#closing;
    const deadline = clock.monotonic() + patienceMs;
    while (!signal.aborted && clock.monotonic() < deadline) {
      const process = (await observer.remeasure(incident.app, incident.worker))?.reading;
      const isNew = process && !sameProcess(process.root, incident.before);
      if (isNew && clock.now() - process.startedAtMs >= SETTLE_MS) return true;
      await clock.sleep(POLL_MS, signal);
    }
    return false;
  }

  async #isReady(app: AppConfig): Promise<boolean> {
    const check = app.restart.ready;
    return check ? waitUntilReady(check, { socketPath: null }, this.#parts.clock, this.#closing.signal) : true;
  }

  /** Measures what is there now and puts it on record. A warden that closes leaves the record open for the next one. */
  async #finish(incident: Incident, found: Partial<Findings>): Promise<void> {
    if (this.#closing.signal.aborted) return; // what was found was cut short
    const { observer, history, journal, clock, log } = this.#parts;
    const { id, app, worker, reason } = incident;
    const now = await observer.remeasure(app, worker);
    const nothing = { ready: false, stop: null, error: null, needless: null, interrupted: false };
    const findings = { ...nothing, now, ...found };
    const outcome = judgeOutcome(incident, this.#parts.app(app), findings, clock.now());
    history.complete(id, outcome);
    const level = outcome.result === 'recovered' ? 'info' : 'error';
    log[level](outcome.sentence, { app, worker, reason, result: outcome.result, incident: id });
    this.#parts.onIncident({ ...incident, outcome });
    await journal.complete(id, outcome).catch((error: unknown) => this.#journalFailed(error));
  }

  #journalFailed(error: unknown): void {
    this.#parts.onJournalError();
    this.#parts.log.error(`${messageOf(error)}; while it cannot be written, nothing is restarted`);
  }
}

function othersOf({ workers }: Pick<Observer, 'workers'>, { app, worker }: { app: string; worker: string }): WorkerState[] {
  return [...workers.values()].filter((other) => other.app === app && other.worker !== worker);
}

function askKey({ app, worker, reason, origin, alert }: Ask): string {
  return JSON.stringify([app, worker, reason, origin, alert?.fingerprint]);
}

/** A refusal is told again when its reason, the alert or the process is another one. */
function refusalKey({ reason, alert, before }: Incident): string {
  return JSON.stringify([reason, alert?.startsAtMs, before?.pid, before?.start]);
}

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
