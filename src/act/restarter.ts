import { endsWith, isByPerson, type AlertRef, type Ask } from '../decide/decision.js';
import { describeLeak, type Outlook } from '../decide/forecast.js';
import { describeGain, type Gain } from '../decide/gain.js';
import { decide, type Judgement } from '../decide/policy.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { workerKey, type WorkerState } from '../observe/tracker.js';
import { factsOf } from './facts.js';
import { newId, type Incident, type Outcome } from './incident.js';
import type { Journal } from './journal.js';
import type { Waiting } from './objections.js';
import { judgeOutcome, measurementOf } from './outcome.js';
import { Procedure, type Found, type ProcedureParts } from './procedure.js';
import { RefusalRecord } from './refusal-record.js';

export interface RestarterParts extends ProcedureParts {
  journal: Pick<Journal, 'record' | 'complete'>;
  log: Log;
  /** Where its memory is heading; null where nothing is known of that. */
  outlook(worker: WorkerState): Outlook | null;
  /** What it has gained since its baseline; null where that is not known. */
  gain(worker: WorkerState): Gain | null;
  /** Told of every incident twice: when it is decided, and when a restart has its outcome. */
  onIncident(incident: Incident): void;
  onJournalError(): void;
}

export type Answer = Judgement & { app: string; worker: string; incident: string | null };

/** The one hand that restarts: every ask goes through here, whoever asks. */
export class Restarter {
  readonly #parts: RestarterParts;
  readonly #procedure: Procedure;
  readonly #closing = new AbortController();
  /** Workers that are being restarted or wait for it. */
  readonly #busy = new Set<string>();
  /** By worker. */
  readonly #waiting = new Map<string, Waiting>();
  /** Until it has its place in a queue. */
  readonly #jittering = new Set<Promise<void>>();
  /** One restart of an app at a time. */
  readonly #queues = new Map<string, Promise<void>>();
  readonly #refusals = new RefusalRecord();

  constructor(parts: RestarterParts) {
    this.#parts = parts;
    this.#procedure = new Procedure(parts);
  }

  /**
   * Decides, and where the answer is restart, resolves as soon as the intent is on disk; the restart itself goes on
   * behind. Throws HeapwardenError JOURNAL_UNWRITABLE: then nothing was and nothing will be touched.
   */
  async ask(ask: Ask): Promise<Answer> {
    const { observer, clock } = this.#parts;
    const isInEarnest = isByPerson(ask) && !ask.dryRun;
    if (isInEarnest) this.#hurry(ask);
    const worker = await observer.remeasure(ask.app, ask.worker);
    // From here to the reservation nothing is awaited: two asks for one worker cannot both pass.
    const nowMs = clock.now();
    const isBusy = (app: string, name: string) => this.isBusy(app, name);
    const judgement = decide(ask, factsOf(ask, worker, isBusy, this.#parts), nowMs);
    const incident = newIncident(ask, judgement, worker && measurementOf(worker, this.#parts.app(ask.app)), nowMs);
    // What was decided during the look, too.
    if (isInEarnest && judgement.reason === 'in_progress') this.#hurry(ask);
    if (judgement.action === 'refuse') return this.#refuse(ask, judgement, incident, worker);
    const waiting = await this.#reserve(this.#withOutlook(incident, worker));
    this.#refusals.forget(ask);
    this.#announce(waiting.incident);
    const inQueue = this.#queueUp(waiting).finally(() => this.#jittering.delete(inQueue));
    this.#jittering.add(inQueue);
    return { ...judgement, app: ask.app, worker: ask.worker, incident: waiting.incident.id };
  }

  /** The alert is over: cancels what waits because of it, and of nobody else. Returns the incidents that it cancels. */
  cancel(resolved: AlertRef): string[] {
    const isOver = ({ incident }: Waiting) => !incident.force && endsWith(incident.alert, resolved);
    const over = [...this.#waiting.values()].filter(isOver);
    for (const { cancel } of over) cancel.abort('for its alert was resolved while it waited');
    return over.flatMap(({ incident, person }) => (person ? [] : incident.id));
  }

  /**
   * Puts an end to the records that a warden left open when it died; their workers count as busy until then. As in
   * Procedure.revisit, it may take as long as a restart: the supervisor may be at work on what the dead warden asked of it.
   */
  async finishInterrupted(): Promise<void> {
    const { signal } = this.#closing;
    const open = this.#parts.history.open();
    const finish = async (incident: Incident) => this.#finish(incident, await this.#procedure.revisit(incident, signal));
    await Promise.all(open.map((incident) => this.#enqueue(incident, () => finish(incident))));
  }

  isBusy(app: string, worker: string): boolean {
    return this.#busy.has(workerKey(app, worker));
  }

  /** No new restarts; what is under way is left where it is, its record open for the next warden. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#jittering);
    await Promise.all(this.#queues.values());
  }

  /** A person asks for what waits already, and is told so: it has to be what their own would have been. */
  #hurry({ app, worker, origin, reason, force }: Ask): void {
    const waiting = this.#waiting.get(workerKey(app, worker));
    if (!waiting) return;
    waiting.hurry.abort();
    waiting.person = { origin, reason, force: force || (waiting.person?.force ?? false) };
  }

  async #refuse(ask: Ask, judgement: Judgement, asked: Incident, worker: WorkerState | null): Promise<Answer> {
    const { journal, history, log, clock } = this.#parts;
    this.#parts.onIncident(asked);
    const answer = { ...judgement, app: ask.app, worker: ask.worker };
    const told = this.#refusals.alreadyTold(asked, clock.monotonic());
    if (told) return { ...answer, incident: told.app === ask.app ? told.id : null };
    const incident = this.#withOutlook(asked, worker);
    log.info(incident.sentence, { app: ask.app, worker: ask.worker, decision: 'refuse', reason: judgement.reason });
    history.add(incident);
    await journal.record(incident).catch((error: unknown) => this.#journalFailed(error));
    return { ...answer, incident: incident.id };
  }

  /** Takes milliseconds: for what is put on record, not for each of ten thousand alerts. */
  #withOutlook(incident: Incident, worker: WorkerState | null): Incident {
    if (!worker?.reading) return { ...incident, outlook: null, gain: null };
    const [outlook, gain] = [this.#parts.outlook(worker), this.#parts.gain(worker)];
    // That it has reached its limit has been said.
    const leak = outlook && describeLeak({ ...outlook, forecastMs: outlook.forecastMs || null });
    const words = leak ?? (incident.action === 'restart' && isOfMemory(incident) && gain ? describeGain(gain) : null);
    return { ...incident, outlook, gain, sentence: words ? `${incident.sentence}; ${words}` : incident.sentence };
  }

  /** From here on it can be cancelled, even before it is on disk. */
  async #reserve(incident: Incident): Promise<Waiting> {
    const { journal, history } = this.#parts;
    const key = workerKey(incident.app, incident.worker);
    const waiting = { incident, cancel: new AbortController(), hurry: new AbortController(), person: null };
    this.#busy.add(key);
    this.#waiting.set(key, waiting);
    history.add(incident);
    try {
      await journal.record(incident);
      return waiting;
    } catch (error) {
      this.#busy.delete(key);
      this.#waiting.delete(key);
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

  /** After its jitter, in which the app's other workers do not wait for it. Resolves when it has its place in the queue. */
  async #queueUp(waiting: Waiting): Promise<void> {
    const { incident, cancel, hurry } = waiting;
    await this.#procedure.jitter(incident, [cancel.signal, hurry.signal, this.#closing.signal]);
    void this.#enqueue(incident, () => this.#carryOut(waiting));
  }

  /** Resolves when `work` is done, after all that was queued for the app before it. */
  #enqueue(incident: Incident, work: () => Promise<void>): Promise<void> {
    const key = workerKey(incident.app, incident.worker);
    this.#busy.add(key);
    const done = (this.#queues.get(incident.app) ?? Promise.resolve())
      .then(work)
      .catch((error: unknown) => this.#parts.log.error(`incident ${incident.id}: ${messageOf(error)}`))
      .finally(() => this.#busy.delete(key));
    this.#queues.set(incident.app, done);
    return done;
  }

  async #carryOut(waiting: Waiting): Promise<void> {
    const { incident } = waiting;
    const noLonger = () => void this.#waiting.delete(workerKey(incident.app, incident.worker));
    try {
      await this.#finish(incident, await this.#procedure.carryOut(waiting, this.#closing.signal, noLonger));
    } finally {
      noLonger();
    }
  }

  /** Measures what is there now and puts it on record. */
  async #finish(incident: Incident, found: Found): Promise<void> {
    const wasBegun = (found.needless ?? null) === null;
    // What was found was cut short by the close: the record stays open for the next warden.
    if (this.#closing.signal.aborted && wasBegun) return;
    const { observer, history, journal, clock, log } = this.#parts;
    const { id, app, worker, reason } = incident;
    const now = await observer.remeasure(app, worker);
    const nothing = { ready: false, stop: null, downtimeMs: null, error: null, needless: null, interrupted: false, evidence: null, command: null };
    const outcome = judgeOutcome(incident, this.#parts.app(app), { ...nothing, now, tookMs: history.age(incident), ...found }, clock.now());
    history.complete(id, outcome);
    log[LOUDNESS[outcome.result]](outcome.sentence, { app, worker, reason, result: outcome.result, incident: id });
    this.#parts.onIncident({ ...incident, outcome });
    await journal.complete(id, outcome).catch((error: unknown) => this.#journalFailed(error));
  }

  #journalFailed(error: unknown): void {
    this.#parts.onJournalError();
    this.#parts.log.error(`${messageOf(error)}; while it cannot be written, nothing is restarted`);
  }
}

const LOUDNESS = {
  recovered: 'info',
  cancelled: 'info',
  not_ready: 'error',
  failed: 'error',
  ineffective: 'error',
} as const satisfies Record<Outcome['result'], keyof Log>;

const isOfMemory = ({ asked }: Incident): boolean => asked === 'rss' || asked === 'heap';

function newIncident(ask: Ask, judgement: Judgement, before: Incident['before'], nowMs: number): Incident {
  const { action, reason } = judgement;
  return {
    ...(action === 'restart' ? { action, reason } : { action, reason }),
    id: newId(nowMs),
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
