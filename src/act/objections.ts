/** What speaks against a restart by the time its turn has come. */
import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import { isByPerson, type Wish } from '../decide/decision.js';
import { isPaused, isTimely, tooFewOthers } from '../decide/gates.js';
import { notBreaching } from '../decide/policy.js';
import { sameProcess } from '../observe/identity.js';
import type { Observer } from '../observe/observer.js';
import type { WorkerState } from '../observe/tracker.js';
import { othersUp, stateOf, type FactParts } from './facts.js';
import type { Incident } from './incident.js';

export const REPLACED = 'for another process has taken its place already';
export const NO_WORKER = 'for the app has no such worker any more';
export const STOPPED = 'for heapwarden was stopped before its turn came';

/** A restart whose turn has not come. */
export interface Waiting {
  incident: Incident;
  /** Aborts where its reason has gone while it waited; the reason of the signal says why, as a part of a sentence. */
  cancel: AbortController;
  /** Ends its jitter. */
  hurry: AbortController;
  /** That of a person who found it waiting, and was told so: it is theirs, too. */
  person: Wish | null;
}

export interface ObjectionParts extends FactParts {
  observer: Pick<Observer, 'workers' | 'remeasure'>;
  clock: Clock;
}

/** Each is a part of a sentence: "nothing was done, for …". */
export class Objections {
  readonly #parts: ObjectionParts;

  constructor(parts: ObjectionParts) {
    this.#parts = parts;
  }

  /** It may have waited: why nothing is to be done any more, neither for its first reason nor for a person. */
  async byNow(waiting: Waiting, app: AppConfig, closing: AbortSignal): Promise<string | null> {
    const { incident, cancel } = waiting;
    const isOver = () => cancel.signal.aborted && !waiting.person;
    if (isOver()) return String(cancel.signal.reason);
    const worker = await this.#parts.observer.remeasure(incident.app, incident.worker);
    if (isOver()) return String(cancel.signal.reason);
    if (closing.aborted) return STOPPED;
    if (!worker) return NO_WORKER;
    const why = cancel.signal.aborted
      ? String(cancel.signal.reason)
      : this.#objectionTo({ ...incident, reason: incident.asked }, incident, app, worker);
    const isForPerson = why !== null && waiting.person && this.#objectionTo(waiting.person, incident, app, worker) === null;
    return isForPerson ? null : why;
  }

  /** Why what was wanted is not to be done by now; null where it is. */
  #objectionTo(wish: Wish, incident: Incident, app: AppConfig, worker: WorkerState): string | null {
    const { reading } = worker;
    if (!wish.force) {
      if (reading && !sameProcess(reading.root, incident.before)) return REPLACED;
      // Somebody may have stopped it: only a person starts what does not run.
      const isGone = !reading && !stateOf(this.#parts.observer.workers, incident)?.reading; // not a look that failed
      if (isGone && incident.before && !isByPerson(wish)) return 'for its process has ended';
      const why = reading && notBreaching(wish.reason, app, worker);
      if (why !== null) return why;
    }
    return this.forbidden(wish, incident, app);
  }

  /** What forbids it that may have come since it was decided; null where nothing does. */
  forbidden({ reason, force }: Wish, incident: Incident, app: AppConfig): string | null {
    if (app.dry_run) return 'for dry_run was set meanwhile';
    if (force) return null;
    const { history, clock } = this.#parts;
    const nowMs = clock.now();
    if (isPaused(history.stateOf(app.name).pause, nowMs)) return 'for the app was paused meanwhile';
    if (!isTimely(reason, app, nowMs)) return 'for its maintenance window has closed';
    return this.#lackByNow(reason, incident, app);
  }

  /** What the restarts that this one waited for have left of min_available; null where it suffices. */
  #lackByNow(reason: Wish['reason'], incident: Incident, app: AppConfig): string | null {
    const { observer, history } = this.#parts;
    const worker = stateOf(observer.workers, incident);
    const waitedMs = history.age(incident);
    const others = othersUp(app, incident.worker, { observer, history }, { waitedMs });
    const lack = worker && tooFewOthers(reason, app, worker, others);
    return lack && `for ${lack}`;
  }
}
