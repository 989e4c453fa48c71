import type { Clock } from '../clock.js';
import type { AppConfig, Config, Level, Resource } from '../config/schema.js';
import type { Ask } from '../decide/decision.js';
import { guard, type Breach, type GuardState, type LevelChange } from '../decide/guard.js';
import { RESOURCE_NAMES, describeValue, holdOf, limitOf } from '../decide/measure.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Attacher } from '../observe/attacher.js';
import type { Observer } from '../observe/observer.js';
import type { SeriesBook } from '../observe/series.js';
import { workerKey } from '../observe/tracker.js';
import { formatDuration } from '../units.js';
import type { Aftercare } from './aftercare.js';
import type { Collections } from './collections.js';
import type { DayKeeper } from './day-keeper.js';
import type { Deaths } from './deaths.js';
import type { Witness } from './evidence/witness.js';
import { inLanes } from './lanes.js';
import type { Restarter } from './restarter.js';
import type { Schedules } from './schedules.js';
import type { WaitingAsks } from './waiting-asks.js';

/** Workers that are asked about together. */
const AT_ONCE = 100;

export interface LoopParts {
  config(): Config;
  observer: Pick<Observer, 'workers' | 'observe'>;
  restarter: Pick<Restarter, 'ask' | 'isBusy'>;
  schedules: Pick<Schedules, 'due' | 'isStillDue'>;
  aftercare: Pick<Aftercare, 'look'>;
  attacher: Pick<Attacher, 'look'>;
  waiting: WaitingAsks;
  /** Everything has been measured, and nothing is decided yet. */
  onRound(): void;
  series: Pick<SeriesBook, 'add'>;
  days: Pick<DayKeeper, 'look'>;
  witness: Pick<Witness, 'look'>;
  deaths: Pick<Deaths, 'look'>;
  collections: Pick<Collections, 'look'>;
  clock: Clock;
  log: Log;
}

/** Observe, judge, ask: once every sample interval, one round after the other. */
export class ControlLoop {
  readonly #parts: LoopParts;
  readonly #closing = new AbortController();
  #guardState: GuardState = new Map();
  #running: Promise<void> = Promise.resolve();

  constructor(parts: LoopParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  /** One round. */
  async turn(): Promise<void> {
    const {
      observer, clock, waiting, schedules, aftercare, attacher, series, days, witness, deaths, collections,
    } = this.#parts;
    const { apps, trigger, fallback_after } = this.#parts.config();
    const workers = await observer.observe();
    series.add(workers);
    days.look(apps, workers);
    const now = clock.monotonic(); // a change of the time of day neither shortens nor lengthens what is held
    const { state, changes, breaches } = guard(this.#guardState, workers, apps, now);
    this.#guardState = state;
    const configs = new Map(apps.map((app) => [app.name, app]));
    for (const change of changes) this.#tell(change, configs.get(change.worker.app)!);
    this.#parts.onRound();
    attacher.look(apps, workers);
    await deaths.look(apps, workers);
    witness.look(apps, workers);
    collections.look(apps, workers);
    await aftercare.look(apps, workers);
    // With both, Alertmanager leads: its alert has had `fallback_after` to come. One that came and was refused for now
    // is asked again below, and stays the one that asks: so it can still be resolved.
    const isDue = (breach: Breach) =>
      trigger === 'embedded' || (this.#heldFor(breach, configs, now) >= fallback_after && !waiting.hasAlert(breach));
    const due = trigger === 'alertmanager' ? [] : breaches.filter(isDue);
    // What falls due is on disk from then on as what has fallen due, and would never be asked for.
    if (this.#closing.signal.aborted) return;
    // Kept before any of them is asked: what breaks off this round must not lose the rest.
    for await (const ask of schedules.due(apps, workers)) waiting.add(ask);
    waiting.drop((ask) => ask.origin === 'schedule' && !schedules.isStillDue(ask, configs.get(ask.app)));
    // A schedule starts nothing that does not run.
    const isThere = ({ origin, app, worker }: Ask) => origin !== 'schedule' || workers.get(workerKey(app, worker))?.reading;
    const asks = new Map<string, Ask[]>();
    for (const ask of [...due.map(askOf), ...waiting.list().filter(isThere)]) {
      const key = workerKey(ask.app, ask.worker);
      asks.set(key, [...(asks.get(key) ?? []), ask]);
    }
    // To look at a frozen one takes 300 ms, which the others do not wait for.
    await inLanes(AT_ONCE, [...asks.values()], async (ofWorker) => {
      for (const ask of ofWorker) await this.#ask(ask);
    });
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const startedAt = clock.monotonic();
      await this.turn().catch((error: unknown) => log.error(`a round was cut short: ${messageOf(error)}`));
      await clock.sleep(Math.max(0, this.#parts.config().sample_interval - (clock.monotonic() - startedAt)), signal);
    }
  }

  #heldFor({ worker, resource, since }: Breach, configs: ReadonlyMap<string, AppConfig>, now: number): number {
    return now - since - holdOf(configs.get(worker.app)!, resource);
  }

  async #ask(ask: Ask): Promise<void> {
    const { restarter, waiting } = this.#parts;
    if (this.#closing.signal.aborted) return;
    const busy = { action: 'refuse', reason: 'in_progress', incident: null } as const;
    const answer = restarter.isBusy(ask.app, ask.worker) ? busy : await restarter.ask(ask);
    if (ask.origin !== 'guard') waiting.answered(ask, answer); // the guard asks again by itself
  }

  #tell({ worker, resource, from, to, value }: LevelChange, app: AppConfig): void {
    const name = `${worker.app}/${worker.worker}`;
    const fields = { app: worker.app, worker: worker.worker, resource, limit_level: to ?? 'normal' };
    const now = `${RESOURCE_NAMES[resource]} ${describeValue(resource, value)}`;
    if (to === null || (from !== null && RANK[to] < RANK[from])) {
      const back = to === null ? 'back below its limits' : `back to its ${to} level`;
      this.#parts.log.info(`${name}: ${now}, ${back}`, fields);
      return;
    }
    const limit = describeValue(resource, limitOf(app, resource, to)!);
    this.#parts.log.warn(`${name}: ${now}, at or above its ${to} limit of ${limit}${heldWords(app, resource)}`, fields);
  }
}

function askOf({ worker: { app, worker }, resource }: Breach): Ask {
  return { app, worker, reason: resource, origin: 'guard', force: false, dryRun: false, alert: null, dueAtMs: null };
}

const RANK: Record<Level, number> = { warning: 0, critical: 1, restart: 2 };

function heldWords(app: AppConfig, resource: Resource): string {
  const hold = holdOf(app, resource);
  return hold > 0 ? ` for ${formatDuration(hold)}` : '';
}
