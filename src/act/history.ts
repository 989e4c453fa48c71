import type { AlertRef } from '../decide/decision.js';
import type { Budget } from '../units.js';
import { remembered, type Incident, type Outcome } from './incident.js';

/** The journal's content in memory: what the policy needs to know of the past. Times in ms since the epoch. */
export class History {
  /** Oldest first. */
  #incidents: Incident[];

  constructor(incidents: readonly Incident[]) {
    this.#incidents = [...incidents];
  }

  add(incident: Incident): void {
    this.#incidents = remembered([...this.#incidents, incident]);
  }

  complete(id: string, outcome: Outcome): void {
    const incident = this.find(id);
    if (incident) incident.outcome = outcome;
  }

  /** For an intent that could not be put on disk: it never happened. */
  withdraw(id: string): void {
    this.#incidents = this.#incidents.filter((incident) => incident.id !== id);
  }

  find(id: string): Incident | null {
    return this.#incidents.findLast((incident) => incident.id === id) ?? null;
  }

  /** Newest first. */
  list(filter: { app?: string | undefined; limit: number }): Incident[] {
    const wanted = this.#incidents.filter(({ app }) => filter.app === undefined || app === filter.app);
    return wanted.slice(-filter.limit).toReversed();
  }

  /** Restarts whose outcome is not on record: under way, or cut off by the warden's own death. */
  open(): Incident[] {
    return this.#restarts().filter(({ outcome }) => outcome === null);
  }

  lastRestart(app: string, worker: string): Incident | null {
    return this.#restarts().findLast((incident) => incident.app === app && incident.worker === worker) ?? null;
  }

  restartsSince(app: string, sinceMs: number): number {
    return this.#restarts().filter((incident) => incident.app === app && incident.atMs > sinceMs).length;
  }

  /** Restarts of the app that its budget still allows. */
  budgetLeft(app: string, { count, windowMs }: Budget, nowMs: number): number {
    return Math.max(0, count - this.restartsSince(app, nowMs - windowMs));
  }

  /** Whether this alert has led to a restart of this worker that did not fail. */
  hasAnswered(alert: AlertRef, app: string, worker: string): boolean {
    return this.#restarts().some(
      (incident) =>
        incident.alert?.fingerprint === alert.fingerprint &&
        incident.alert.startsAtMs === alert.startsAtMs &&
        incident.app === app &&
        incident.worker === worker &&
        incident.outcome?.result !== 'failed',
    );
  }

  #restarts(): Incident[] {
    return this.#incidents.filter(({ action }) => action === 'restart');
  }
}
