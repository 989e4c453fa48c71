import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import { MOST_FRUITLESS } from '../decide/gates.js';
import { RESOURCE_NAMES, describeValue, limitOf, measure } from '../decide/measure.js';
import type { Log } from '../log.js';
import { sameProcess } from '../observe/identity.js';
import { isAnotherRelease } from '../observe/release.js';
import type { Workers, WorkerState } from '../observe/tracker.js';
import { formatElapsed } from '../units.js';
import type { AppNotes } from './app-notes.js';
import type { History } from './history.js';
import type { Incident, Outcome } from './incident.js';
import type { Journal } from './journal.js';

/** By then a process has the title that it gives itself, as npm and Next.js do, and its agent has reported. */
const SETTLED_MS = 10_000;

export interface AftercareParts {
  history: History;
  journal: Pick<Journal, 'complete'>;
  notes: AppNotes;
  releaseOf(worker: WorkerState): Promise<string | null>;
  clock: Clock;
  log: Log;
}

/** Watches what restarts have led to: whether the new process relapses, and whether a new release makes it worth a try. */
export class Aftercare {
  readonly #parts: AftercareParts;

  constructor(parts: AftercareParts) {
    this.#parts = parts;
  }

  async look(apps: readonly AppConfig[], workers: Workers): Promise<void> {
    const configs = new Map(apps.map((app) => [app.name, app]));
    for (const worker of workers.values()) {
      const app = configs.get(worker.app);
      const last = this.#parts.history.lastRestart(worker.app, worker.worker);
      if (!app || !worker.reading || !last) continue;
      await this.#noteRelapse(app, worker, last);
      await this.#noteRelease(worker);
    }
  }

  async #noteRelapse(app: AppConfig, worker: WorkerState, last: Incident): Promise<void> {
    const { history, clock, log } = this.#parts;
    const what = relapse(last, app, worker);
    if (!last.outcome || what === null) return;
    const written = this.#complete(last.id, { ...last.outcome, relapsedAtMs: clock.now() });
    log.warn(`${worker.app}/${worker.worker}: ${what}`, { app: worker.app, worker: worker.worker, incident: last.id });
    if (history.fruitless(worker.app, worker.worker).length === MOST_FRUITLESS) log.error(this.#enough(worker));
    await written;
  }

  async #complete(id: string, outcome: Outcome): Promise<void> {
    const { history, journal } = this.#parts;
    history.complete(id, outcome);
    await journal.complete(id, outcome);
  }

  async #noteRelease(worker: WorkerState): Promise<void> {
    const { history, notes, releaseOf, clock, log } = this.#parts;
    const fruitless = history.fruitless(worker.app, worker.worker);
    const last = fruitless[0];
    if (!last?.outcome || fruitless.length < MOST_FRUITLESS) return;
    if (worker.observedAtMs - worker.reading!.startedAtMs < SETTLED_MS) return;
    const was = last.outcome.release ?? null;
    const is = await releaseOf(worker);
    if (is === null) return;
    if (was === null) return this.#complete(last.id, { ...last.outcome, release: is });
    if (!isAnotherRelease(was, is)) return;
    await notes.change(worker.app, { freshSinceMs: clock.now() });
    log.info(`${worker.app}: its start command or file has changed, so restarts are tried again`, { app: worker.app });
  }

  #enough({ app, worker }: WorkerState): string {
    return (
      `${app}/${worker}: its last ${MOST_FRUITLESS} restarts did not help, so it is not restarted any more. ` +
      `Mend the app, or raise its limit; then: heapwarden resume ${app}`
    );
  }
}

/** Why a restart has not helped after all: its process is back at the limit within its startup grace; else null. */
export function relapse({ asked, before, outcome }: Incident, app: AppConfig, worker: WorkerState): string | null {
  if (asked !== 'rss' && asked !== 'heap' && asked !== 'freeze') return null;
  const { reading, observedAtMs } = worker;
  if (!reading || !outcome?.after || (outcome.relapsedAtMs ?? null) !== null) return null;
  if (!sameProcess(reading.root, outcome.after) || sameProcess(reading.root, before)) return null;
  const ageMs = observedAtMs - reading.startedAtMs;
  const limit = limitOf(app, asked, 'restart');
  const value = measure(worker, asked, app.memory);
  if (ageMs >= app.restart.startup_grace || limit === null || value === null || value < limit) return null;
  const [is, line] = [describeValue(asked, value), describeValue(asked, limit)];
  return `${formatElapsed(ageMs)} old, its ${RESOURCE_NAMES[asked]} is ${is} again, at or above its restart limit of ${line}`;
}
