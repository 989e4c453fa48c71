import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import type { Ask } from '../decide/decision.js';
import { lastDue } from '../decide/schedule.js';
import { sameProcess } from '../observe/identity.js';
import { workerKey, type Workers, type WorkerState } from '../observe/tracker.js';
import type { AppNotes } from './app-notes.js';
import type { History } from './history.js';
import { waitedAtEnd } from './waiting-asks.js';

/**
 * Follows the cron expressions. One that was missed, however often, is made up for once; one that waited when the last
 * warden ended is taken up again, until its next time.
 */
export class Schedules {
  readonly #notes: AppNotes;
  readonly #history: Pick<History, 'lastScheduled'>;
  readonly #clock: Clock;
  /** Workers that this warden has seen running: what another one has left to do for them is taken up. */
  readonly #met = new Set<string>();

  constructor(notes: AppNotes, history: Pick<History, 'lastScheduled'>, clock: Clock) {
    this.#notes = notes;
    this.#history = history;
    this.#clock = clock;
  }

  /**
   * What falls due now: an ask for each worker that runs. How far its schedule was followed is on disk before each: what
   * was told by the time that this throws is not told again.
   */
  async *due(apps: readonly AppConfig[], workers: Workers): AsyncGenerator<Ask, void> {
    await this.#forget(apps); // before anything is followed: where this throws, what fell due is still to come
    // What does not run was stopped by somebody, or its supervisor is at work on it: a schedule starts nothing.
    const running: WorkerState[] = [];
    const unmet: WorkerState[] = [];
    for (const [key, worker] of workers) {
      if (!worker.reading) continue;
      running.push(worker);
      if (!this.#met.has(key)) unmet.push(worker);
    }
    for (const app of apps) {
      const isOurs = (state: WorkerState) => state.app === app.name;
      if (app.schedule !== undefined) {
        const { dueAtMs, isNow } = await this.#follow(app, app.schedule);
        for (const state of (isNow ? running : unmet).filter(isOurs)) {
          if (dueAtMs !== null && (isNow || this.#hasWaited(state, dueAtMs))) yield askOf(state, dueAtMs);
        }
      }
      for (const state of unmet.filter(isOurs)) this.#met.add(workerKey(app.name, state.worker));
    }
  }

  /** Whether the schedule that asked is there still, and has asked for nothing newer. `app`: its config now. */
  isStillDue({ app: name, dueAtMs }: Ask, app: AppConfig | undefined): boolean {
    return app?.schedule !== undefined && (this.#notes.of(name).schedule?.dueAtMs ?? null) === dueAtMs;
  }

  /** A schedule that was taken out, or its app: put back, it counts from then on, and nothing was missed meanwhile. */
  async #forget(apps: readonly AppConfig[]): Promise<void> {
    const scheduled = new Set(apps.filter(({ schedule }) => schedule !== undefined).map(({ name }) => name));
    for (const name of this.#notes.scheduled()) {
      if (!scheduled.has(name)) await this.#notes.change(name, { schedule: null });
    }
  }

  async #follow({ name, time_zone }: AppConfig, cron: string): Promise<{ dueAtMs: number | null; isNow: boolean }> {
    const nowMs = this.#clock.now();
    const { schedule } = this.#notes.of(name);
    const zone = time_zone ?? ownZone();
    // A schedule that is new, or another one, counts from now on.
    const known = schedule?.cron === cron && (schedule.zone ?? zone) === zone ? schedule : null;
    // By a clock that ran ahead: each time is due when it comes, but not the one again that fell due last.
    const wasAhead = known !== null && known.seenMs > nowMs;
    const lastMs = known && !wasAhead ? lastDue(cron, time_zone, known.seenMs, nowMs) : null;
    const isNow = lastMs !== null && lastMs !== known?.dueAtMs;
    const dueAtMs = isNow ? lastMs : (known?.dueAtMs ?? null);
    if (!known || wasAhead || isNow) await this.#notes.change(name, { schedule: { cron, zone, seenMs: nowMs, dueAtMs } });
    return { dueAtMs, isNow };
  }

  /** Where nothing is on record of this very process, nobody knows that it was asked for. */
  #hasWaited({ app, worker, reading }: WorkerState, dueAtMs: number): boolean {
    const last = this.#history.lastScheduled(app, worker);
    if (!reading || reading.startedAtMs > dueAtMs || !last) return false;
    return sameProcess(reading.root, last.before) && waitedAtEnd(last);
  }
}

const ownZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

function askOf({ app, worker }: WorkerState, dueAtMs: number): Ask {
  return { app, worker, reason: 'schedule', origin: 'schedule', force: false, dryRun: false, alert: null, dueAtMs };
}
