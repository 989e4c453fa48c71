import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import { isOver, type Delivery, type Queue } from './queue.js';
import { NoAnswer, type HttpAnswer } from './request.js';
import type { RetryConfig } from './schema.js';
import type { Target, Targets } from './targets.js';
import { Turns } from './turns.js';
import { pauseMs, verdictOf, type Verdict } from './verdict.js';
import { decisionsIn, type WardenDecision, type Wardens } from './wardens.js';

export interface CourierParts {
  queue: Queue;
  wardens: Pick<Wardens, 'deliver'>;
  targets(): Targets;
  retry: RetryConfig;
  concurrency: number;
  clock: Clock;
  random(): number;
  /** The warden has answered; the decisions about this alert, or null where it gave none that can be read. */
  onDelivered(delivery: Delivery, decisions: string[] | null): void;
  /** It will be tried again. `mayHaveArrived`: the warden may be at work on it. */
  onFailed(delivery: Delivery, mayHaveArrived: boolean): void;
  /** It never will be delivered. */
  onRefused(delivery: Delivery, why: string): void;
  /** It need not be: it has resolved, and there is nobody to be told. */
  onOver(delivery: Delivery): void;
  /** One request has ended. */
  onRequest(verdict: Verdict, target: Target, problem: string | null): void;
}

/** The way to one warden: one request at a time, so that nothing overtakes. */
interface Lane {
  /** In a row. */
  failures: number;
  /** Milliseconds of the monotonic clock. */
  notBefore: number;
  /** False from the same turn on in which it found nothing more to do. */
  isRunning: boolean;
  run: Promise<void>;
}

interface Sent {
  verdict: Verdict;
  answer: HttpAnswer | null;
  problem: string | null;
  mayHaveArrived: boolean;
}

/** So many alerts in one request, some 500 kB; a warden takes 16 MiB. */
const MOST_AT_ONCE = 1000;

/** Delivers what the queue holds, warden by warden, and tries again where one does not answer. */
export class Courier {
  readonly #parts: CourierParts;
  readonly #lanes = new Map<string, Lane>();
  readonly #turns: Turns;
  /** Wardens that failed may hang: they never take more than half of the turns from those that work. */
  readonly #retryTurns: Turns;
  readonly #closing = new AbortController();
  readonly #sleeping = new Set<Promise<void>>();

  constructor(parts: CourierParts) {
    this.#parts = parts;
    this.#turns = new Turns(parts.concurrency);
    this.#retryTurns = new Turns(Math.ceil(parts.concurrency / 2));
  }

  /** Resolves when this warden has answered for all that is ready for it, or when it has to be tried again later. */
  async deliver(instance: string): Promise<void> {
    const lane = this.#lanes.get(instance) ?? { failures: 0, notBefore: 0, isRunning: false, run: Promise.resolve() };
    if (this.#closing.signal.aborted || lane.notBefore > this.#parts.clock.monotonic()) return;
    this.#lanes.set(instance, lane);
    if (!lane.isRunning) lane.run = this.#run(instance, lane);
    await lane.run;
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#lanes.values()].map(({ run }) => run));
    await Promise.all(this.#sleeping);
  }

  async #run(instance: string, lane: Lane): Promise<void> {
    lane.isRunning = true;
    try {
      for (let isGood = true; isGood && !this.#closing.signal.aborted; ) {
        const ready = this.#parts.queue.of(instance).filter(({ isHeld }) => !isHeld);
        const [first] = ready;
        if (!first) break;
        // What has to be answered now does not go with what may wait at the warden.
        const batch = ready.filter(({ isBraked }) => isBraked === first.isBraked).slice(0, MOST_AT_ONCE);
        isGood = await this.#attempt(instance, lane, batch);
      }
    } finally {
      lane.isRunning = false;
      if (lane.failures === 0) this.#lanes.delete(instance);
    }
  }

  /** False where it has to be tried again later. */
  async #attempt(instance: string, lane: Lane, batch: readonly Delivery[]): Promise<boolean> {
    const target = this.#parts.targets().get(instance);
    if (!target) {
      for (const delivery of batch.filter(({ alert }) => isOver(alert))) this.#parts.onOver(delivery);
      // A list may be short by mistake, and for a while; what is for a machine that is gone for good gets too old.
      for (const delivery of batch.filter(({ alert }) => !isOver(alert))) {
        delivery.problem = 'it is no target any more';
        this.#parts.onFailed(delivery, false);
      }
      this.#tryAgain(instance, lane, null);
      return false;
    }
    const work = () => this.#turns.take(() => this.#send(target, batch));
    const sent = await (lane.failures > 0 ? this.#retryTurns.take(work) : work());
    if (sent.verdict === 'failed') this.#tryAgain(instance, lane, sent.answer);
    else lane.failures = 0;
    return sent.verdict !== 'failed';
  }

  /**
   * Sends all; where the warden refuses them together, each half by itself, so that one cannot take the others along.
   */
  async #send(target: Target, batch: readonly Delivery[]): Promise<Sent> {
    const { onDelivered, onFailed, onRefused, onRequest } = this.#parts;
    const sent = await this.#request(target, batch);
    onRequest(sent.verdict, target, sent.problem);
    for (const delivery of batch) {
      delivery.attempts++;
      delivery.problem = sent.problem;
    }
    if (sent.verdict === 'refused' && batch.length > 1) {
      const middle = Math.ceil(batch.length / 2);
      const former = await this.#send(target, batch.slice(0, middle));
      return former.verdict === 'failed' ? former : this.#send(target, batch.slice(middle));
    }
    const decided = sent.verdict === 'delivered' && sent.answer ? decisionsIn(sent.answer.body) : null;
    for (const delivery of batch) {
      if (sent.verdict === 'failed') onFailed(delivery, sent.mayHaveArrived);
      else if (sent.verdict === 'refused') onRefused(delivery, sent.problem ?? '');
      else onDelivered(delivery, decided && decisionsAbout(delivery, decided));
    }
    return sent;
  }

  async #request(target: Target, batch: readonly Delivery[]): Promise<Sent> {
    try {
      const alerts = batch.map(({ alert }) => alert);
      const answer = await this.#parts.wardens.deliver(target, alerts, !batch.some(({ isBraked }) => isBraked));
      const verdict = verdictOf(answer.status);
      const problem = verdict === 'delivered' ? null : `the warden answered HTTP ${answer.status}: ${messageIn(answer.body)}`;
      return { verdict, answer, problem, mayHaveArrived: verdict === 'delivered' };
    } catch (error) {
      const mayHaveArrived = !(error instanceof NoAnswer) || error.mayHaveArrived;
      return { verdict: 'failed', answer: null, problem: messageOf(error), mayHaveArrived };
    }
  }

  #tryAgain(instance: string, lane: Lane, answer: HttpAnswer | null): void {
    const { clock, retry, random } = this.#parts;
    lane.failures++;
    const waitMs = pauseMs(lane.failures, retry, answer?.retryAfterMs ?? null, random());
    lane.notBefore = clock.monotonic() + waitMs;
    const trying = this.#tryAfter(instance, lane, waitMs);
    this.#sleeping.add(trying);
    void trying.finally(() => this.#sleeping.delete(trying));
  }

  async #tryAfter(instance: string, lane: Lane, waitMs: number): Promise<void> {
    await this.#parts.clock.sleep(waitMs, this.#closing.signal);
    lane.notBefore = 0;
    if (this.#parts.queue.of(instance).some(({ isHeld }) => !isHeld)) void this.deliver(instance);
    else this.#lanes.delete(instance);
  }
}

function decisionsAbout({ alert }: Delivery, all: readonly WardenDecision[]): string[] {
  return all.filter(({ fingerprint }) => fingerprint === alert.fingerprint).map(({ decision }) => decision);
}

/** The first words of an answer, for a person. */
function messageIn(body: string): string {
  const message = /"message":"((?:[^"\\]|\\.)*)"/.exec(body)?.[1] ?? body;
  return message.slice(0, 200).replace(/\s+/g, ' ') || 'nothing more';
}
