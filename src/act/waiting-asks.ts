import type { Ask, Reason } from '../decide/decision.js';
import { workerKey } from '../observe/tracker.js';

/** Refusals that pass by themselves, or when a person has done something about it. */
const PASSING: readonly Reason[] = [
  'paused',
  'in_progress',
  'outside_window',
  'startup_grace',
  'cooldown',
  'budget',
  'min_available',
  'ineffective',
];

/**
 * What was refused only for now: an alert is not sent again before its repeat_interval, and a schedule not before its
 * next time. One of a kind for each worker. An alert waits until it is resolved, or the policy says that it is void.
 */
export class WaitingAsks {
  readonly #asks = new Map<string, Ask>();

  /** Keeps the ask, or lets go of it, as it was answered. Only configured workers get here: the others' refusal stays. */
  answered(ask: Ask, answer: { action: 'restart' | 'refuse'; reason: Reason }): void {
    if (answer.action === 'refuse' && PASSING.includes(answer.reason)) this.#asks.set(keyOf(ask), ask);
    else this.#asks.delete(keyOf(ask));
  }

  /** The alert is over. */
  resolved(fingerprint: string): void {
    for (const [key, { alert }] of this.#asks) if (alert?.fingerprint === fingerprint) this.#asks.delete(key);
  }

  list(): Ask[] {
    return [...this.#asks.values()];
  }
}

const keyOf = ({ app, worker, reason, origin }: Ask): string => `${workerKey(app, worker)}\u0000${origin}\u0000${reason}`;
