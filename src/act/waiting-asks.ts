import { endsWith, type AlertRef, type Ask, type Reason } from '../decide/decision.js';
import type { Breach } from '../decide/guard.js';
import { workerKey } from '../observe/tracker.js';
import type { History } from './history.js';
import type { Incident } from './incident.js';

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

/** Whether a decision, in the word of the API, is a refusal that passes. */
export function isPassing(decision: string): boolean {
  return (PASSING as readonly string[]).includes(decision);
}

/**
 * Pure: whether what was asked for waited when the warden ended, by the last that is on record of it. What was cut short
 * with the old process still there may not have had its turn.
 */
export function waitedAtEnd({ action, reason, outcome }: Incident): boolean {
  if (action === 'refuse') return isPassing(reason);
  return outcome === null || (outcome.interrupted && (outcome.result === 'cancelled' || outcome.result === 'failed'));
}

/**
 * What was refused only for now, or may come to nothing yet: an alert is not sent again before its repeat_interval, and a
 * schedule not before its next time. One of a kind for each worker. An alert waits until it is resolved, or the policy
 * says that it is void.
 */
export class WaitingAsks {
  readonly #asks = new Map<string, Kept>();
  readonly #history: Pick<History, 'find'>;

  constructor(history: Pick<History, 'find'>) {
    this.#history = history;
  }

  /** One that nobody has answered yet. */
  add(ask: Ask): void {
    this.#asks.set(keyOf(ask), { ask, incident: null });
  }

  /** Keeps the ask, or lets go of it, as it was answered. Only configured workers get here: the others' refusal stays. */
  answered(ask: Ask, { action, reason, incident }: { action: 'restart' | 'refuse'; reason: Reason; incident: string | null }): void {
    if (action === 'restart') this.#asks.set(keyOf(ask), { ask, incident });
    else if (PASSING.includes(reason) || mayBeMeasuredYet(ask, reason)) this.add(ask);
    else this.forget(ask);
  }

  forget(ask: Ask): void {
    this.#asks.delete(keyOf(ask));
  }

  /** The alert is over. */
  resolved(resolved: AlertRef): void {
    this.drop(({ alert }) => endsWith(alert, resolved));
  }

  drop(isVoid: (ask: Ask) => boolean): void {
    for (const [key, { ask }] of this.#asks) if (isVoid(ask)) this.#asks.delete(key);
  }

  /** Whether an alert waits that asks for this worker and this reason. */
  hasAlert({ worker: { app, worker }, resource }: Breach): boolean {
    return this.#asks.has(keyOf({ app, worker, reason: resource, origin: 'alertmanager' }));
  }

  /** What is to be asked again. A restart that was cancelled when its turn came has waited for nothing. */
  list(): Ask[] {
    const again: Ask[] = [];
    for (const [key, { ask, incident }] of this.#asks) {
      const restart = incident === null ? null : this.#history.find(incident);
      if (incident === null || restart?.outcome?.result === 'cancelled') again.push(ask);
      else if (restart?.outcome !== null) this.#asks.delete(key);
    }
    return again;
  }
}

/**
 * What kept the process from running excuses its silence, and may be over while the freeze is not (observe/standstill.ts).
 * Memory that was below its limit once is another matter: an alert that is over by now, but not resolved yet, would let
 * the next peak pass for a breach.
 */
function mayBeMeasuredYet({ reason: asked }: Ask, reason: Reason): boolean {
  return asked === 'freeze' && reason === 'not_breaching';
}

interface Kept {
  ask: Ask;
  /** The restart that it led to, which may be under way still; null where it was refused. */
  incident: string | null;
}

function keyOf({ app, worker, reason, origin }: Pick<Ask, 'app' | 'worker' | 'reason' | 'origin'>): string {
  return `${workerKey(app, worker)}\u0000${origin}\u0000${reason}`;
}
