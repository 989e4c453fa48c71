import { setImmediate as turn } from 'node:timers/promises';
import { RESOURCES, type Config } from '../config/schema.js';
import { readAlerts, type AlertRequest, type Webhook } from '../decide/alerts.js';
import type { Ask, RestartReason } from '../decide/decision.js';
import { levelsReached, measure } from '../decide/measure.js';
import type { Observer } from '../observe/observer.js';
import { workerKey, type WorkerState } from '../observe/tracker.js';
import { inLanes } from './lanes.js';
import type { Answer, Restarter } from './restarter.js';
import { isPassing, type WaitingAsks } from './waiting-asks.js';

/** What became of one alert for one worker; `decision` is `restart`, a refusal, `ignored`, `resolved` or `invalid`. */
export interface AlertAnswer {
  fingerprint: string;
  app: string;
  worker: string | null;
  decision: string;
  sentence: string;
  incident: string | null;
}

export interface RestartRequest {
  app: string;
  /** null: every worker of the app, one after the other. */
  worker: string | null;
  reason: RestartReason;
  force: boolean;
  dryRun: boolean;
}

export interface IntakeParts {
  config(): Config;
  observer: Pick<Observer, 'workers'>;
  restarter: Pick<Restarter, 'ask' | 'cancel'>;
  /** Alerts that were refused only for now. */
  waiting: WaitingAsks;
  onAlert(decision: string): void;
}

/**
 * Alerts that are asked about together: those about one worker share one look at it, which takes 300 ms where it is
 * frozen. Between so many the event loop turns. Bodies that are answered at the same time have equal parts of it, but not
 * so small that each look serves only one alert of a body.
 */
const AT_ONCE = 500;
const LEAST_AT_ONCE = 8;

/** Turns what comes in from outside into asks. It can name a configured app and worker, and nothing else. */
export class Intake {
  readonly #parts: IntakeParts;
  /** That are being answered. */
  #bodies = 0;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when each intent to restart is on disk, with the answers in the body's order; an alert that it holds twice
   * is asked about once. With `mayWait`, one that is refused only for now is asked about again until it passes. Throws
   * HeapwardenError JOURNAL_UNWRITABLE: ask again later.
   */
  async receiveAlerts(webhook: Webhook, { mayWait } = { mayWait: true }): Promise<AlertAnswer[]> {
    const alerts = readAlerts(webhook).map((request) => ({ request, key: JSON.stringify(request) }));
    const distinct = [...new Map(alerts.map(({ key, request }) => [key, request]))];
    // What is over in this body is over, wherever in the body it says so.
    const isOver = ([, { kind }]: [string, AlertRequest]) => kind === 'resolved';
    const fired = await this.#answerAll(distinct.filter((alert) => !isOver(alert)), mayWait);
    const over = await this.#answerAll(distinct.filter(isOver), mayWait);
    const answers = alerts.flatMap(({ key }) => fired.get(key) ?? over.get(key) ?? []);
    for (const { decision } of answers) this.#parts.onAlert(decision);
    return answers;
  }

  async #answerAll(requests: readonly [key: string, AlertRequest][], mayWait: boolean): Promise<Map<string, AlertAnswer[]>> {
    const answered = new Map<string, AlertAnswer[]>();
    this.#bodies++;
    const lanes = Math.max(LEAST_AT_ONCE, Math.floor(AT_ONCE / this.#bodies));
    try {
      await inLanes(lanes, requests, async ([key, request]) => {
        answered.set(key, await this.#answer(request, mayWait));
        await turn();
      });
    } finally {
      this.#bodies--;
    }
    return answered;
  }

  async requestRestart({ app, worker, reason, force, dryRun }: RestartRequest): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (const name of worker === null ? this.#workersOf(app) : [worker]) {
      const ask: Ask = { app, worker: name, reason, origin: 'api', force, dryRun, alert: null, dueAtMs: null };
      answers.push(await this.#parts.restarter.ask(ask));
    }
    return answers;
  }

  async #answer(request: AlertRequest, mayWait: boolean): Promise<AlertAnswer[]> {
    const { app, worker, alert } = request;
    const common = { fingerprint: alert.fingerprint, app };
    if (request.kind === 'resolved') return [this.#resolved(request)];
    if (request.kind !== 'restart') {
      return [{ ...common, worker, decision: request.kind, sentence: NOT_ASKED[request.kind], incident: null }];
    }
    const answers: AlertAnswer[] = [];
    for (const name of worker === null ? this.#workersOf(app) : [worker]) {
      const asked = this.#reasonFor(request, name);
      const ask: Ask = {
        app, worker: name, reason: asked, origin: 'alertmanager', force: false, dryRun: false, alert, dueAtMs: null,
      };
      const answer = await this.#parts.restarter.ask(ask);
      if (mayWait) this.#parts.waiting.answered(ask, answer);
      else if (!isPassing(answer.reason)) this.#parts.waiting.forget(ask);
      const { action, reason, sentence, incident } = answer;
      answers.push({ ...common, worker: name, decision: action === 'restart' ? action : reason, sentence, incident });
    }
    return answers;
  }

  /** What waits because of it, in a queue or behind a gate, waits no longer. */
  #resolved({ app, worker, alert }: AlertRequest): AlertAnswer {
    this.#parts.waiting.resolved(alert);
    const cancelled = this.#parts.restarter.cancel(alert);
    const sentence = cancelled.length === 0 ? 'it is over' : 'it is over, and so is the restart that waited for it';
    return { fingerprint: alert.fingerprint, app, worker, decision: 'resolved', sentence, incident: cancelled[0] ?? null };
  }

  /** At least one, so that an unknown app is refused by name and not passed over in silence. */
  #workersOf(app: string): string[] {
    const names = this.#workers().filter((worker) => worker.app === app).map(({ worker }) => worker);
    return names.length > 0 ? names : ['0'];
  }

  /** An alert that names no resource means whichever is over its restart limit; memory where none is. */
  #reasonFor({ app, resource }: AlertRequest, name: string): RestartReason {
    if (resource) return resource;
    const config = this.#parts.config().apps.find((candidate) => candidate.name === app);
    const state = this.#parts.observer.workers.get(workerKey(app, name));
    const breached = RESOURCES.find((candidate) => {
      const value = config && state ? measure(state, candidate, config.memory) : null;
      return value !== null && levelsReached(config!, candidate, value).includes('restart');
    });
    return breached ?? 'rss';
  }

  #workers(): WorkerState[] {
    return [...this.#parts.observer.workers.values()];
  }
}

const NOT_ASKED: Record<Exclude<AlertRequest['kind'], 'restart' | 'resolved'>, string> = {
  ignored: 'it carries no action="restart", so nothing was asked of heapwarden',
  invalid: 'it has no app label, or one that no app can have, or its status or startsAt cannot be read',
};
