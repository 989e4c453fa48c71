import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import type { Ask } from '../decide/decision.js';
import { lastDue } from '../decide/schedule.js';
import type { Workers } from '../observe/tracker.js';
import type { AppNotes } from './app-notes.js';

/** Follows the cron expressions. One that was missed, however often, is made up for once. */
export class Schedules {
  readonly #notes: AppNotes;
  readonly #clock: Clock;

  constructor(notes: AppNotes, clock: Clock) {
    this.#notes = notes;
    this.#clock = clock;
  }

  /** What falls due now: an ask for each worker that runs. How far a schedule was followed is on disk before. */
  async due(apps: readonly AppConfig[], workers: Workers): Promise<Ask[]> {
    const asks: Ask[] = [];
    for (const app of apps) {
      const dueAtMs = app.schedule === undefined ? null : await this.#follow(app, app.schedule);
      if (dueAtMs === null) continue;
      for (const { app: name, worker, reading } of workers.values()) {
        // What does not run was stopped by somebody, or its supervisor is at work on it: a schedule starts nothing.
        if (name === app.name && reading) asks.push(askOf(name, worker, dueAtMs));
      }
    }
    return asks;
  }

  async #follow({ name, time_zone }: AppConfig, cron: string): Promise<number | null> {
    const nowMs = this.#clock.now();
    const { schedule } = this.#notes.of(name);
    // A schedule that is new, or another one, counts from now on.
    const isKnown = schedule?.cron === cron;
    const dueAtMs = isKnown ? lastDue(cron, time_zone, schedule.seenMs, nowMs) : null;
    if (!isKnown || dueAtMs !== null) await this.#notes.change(name, { schedule: { cron, seenMs: nowMs } });
    return dueAtMs;
  }
}

function askOf(app: string, worker: string, dueAtMs: number): Ask {
  return { app, worker, reason: 'schedule', origin: 'schedule', force: false, dryRun: false, alert: null, dueAtMs };
}
