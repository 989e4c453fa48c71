import type { AlertRef } from '../decide/decision.js';
import type { Incident, Outcome } from './incident.js';
import { REMEMBERED_INCIDENTS } from './journal.js';

/** The journal's content in memory: what the policy needs to know of the past. Times in ms since the epoch. */
export class History {
  /** Oldest first. */
  readonly #incidents: Incident[];

  constructor(incidents: readonly Incident[]) {
    this.#incidents = [...incidents];
  }

  add(incident: Incident): void {
    this.#incidents.push(incident);
    if (this.#incidents.length > REMEMBERED_INCIDENTS) this.#incidents.splice(0, this.#incidents.length - REMEMBERED_INCIDENTS);
  }

  complete(id: string, outcome: Outcome): void {
    const incident = this.find(id);
    if (incident) incident.outcome = outcome;
  }

  /** For an intent that could not be put on disk: it never happened. */
  withdraw(id: string): void {
    const at = this.#incidents.findIndex((incident) => incident.id === id);
    if (at >= 0) this.#incidents.splice(at, 1);
  }

  find(id: string): Incident | null {
    return this.#incidents.findLast((incident) => incident.id === id) ?? null;
  }

  /** Newest first. */
  list(filter: { app?: string | undefined; limit: number }): Incident[] {
    return this.#incidents.filter(({ app }) => filter.app === undefined || app === filter.app).slice(-filter.limit).reverse();
  }

  /** Restarts whose outcome is not on record: under way, or cut off by the warden's own death. */
  open(): Incident[] {
    return this.#restarts().filter(({ outcome }) => outcome === null);
  }

  lastRestart(app: string, worker: string): Incident | null {
    return this.#restarts().findLast((incident) => incident.app === app && incident.worker === worker) ?? null;
  }

  lastRestartMs(app: string): number | null {
    return this.#restarts().findLast((incident) => incident.app === app)?.atMs ?? null;
  }

  restartsSince(app: string, sinceMs: number): number {
    return this.#restarts().filter((incident) => incident.app === app && incident.atMs > sinceMs).length;
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
