import type { Clock } from '../clock.js';
import type { AppConfig, Config, Level, Resource } from '../config/schema.js';
import type { RestartReason } from '../decide/decision.js';
import { guard, type Breach, type GuardState, type LevelChange } from '../decide/guard.js';
import { RESOURCE_NAMES, describeValue, holdOf, limitOf } from '../decide/measure.js';
import { isDue as isScheduled } from '../decide/schedule.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Observer } from '../observe/observer.js';
import { formatDuration } from '../units.js';
import type { Restarter } from './restarter.js';

export interface LoopParts {
  config(): Config;
  observer: Pick<Observer, 'workers' | 'observe'>;
  restarter: Pick<Restarter, 'ask' | 'isBusy'>;
  clock: Clock;
  log: Log;
}

/** Observe, judge, ask: once every sample interval, one round after the other. */
export class ControlLoop {
  readonly #parts: LoopParts;
  readonly #closing = new AbortController();
  #guardState: GuardState = new Map();
  #schedulesSeenMs: number;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: LoopParts) {
    this.#parts = parts;
    this.#schedulesSeenMs = parts.clock.now();
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
    const { observer, clock } = this.#parts;
    const { apps, trigger, fallback_after } = this.#parts.config();
    const workers = await observer.observe();
    const nowMs = clock.now();
    const { state, changes, breaches } = guard(this.#guardState, workers, apps, nowMs);
    this.#guardState = state;
    const configs = new Map(apps.map((app) => [app.name, app]));
    for (const change of changes) this.#tell(change, configs.get(change.worker.app)!);
    // With both, Alertmanager leads: its alert has had `fallback_after` to come.
    const patienceMs = trigger === 'both' ? fallback_after : 0;
    const isDue = (breach: Breach) => this.#heldFor(breach, configs, nowMs) >= patienceMs;
    const due = trigger === 'alertmanager' ? [] : breaches.filter(isDue);
    for (const { worker, resource } of due) await this.#ask(worker.app, worker.worker, resource, 'guard');
    await this.#runSchedules(apps, nowMs);
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

  #heldFor({ worker, resource, sinceMs }: Breach, configs: ReadonlyMap<string, AppConfig>, nowMs: number): number {
    return nowMs - sinceMs - holdOf(configs.get(worker.app)!, resource);
  }

  async #runSchedules(apps: readonly AppConfig[], nowMs: number): Promise<void> {
    const sinceMs = this.#schedulesSeenMs;
    this.#schedulesSeenMs = nowMs;
    for (const { name, schedule } of apps) {
      if (schedule === undefined || !isScheduled(schedule, sinceMs, nowMs)) continue;
      // What does not run was stopped by somebody, or its supervisor is at work on it: a schedule starts nothing.
      const running = [...this.#parts.observer.workers.values()].filter(({ app, reading }) => app === name && reading);
      for (const { worker } of running) await this.#ask(name, worker, 'schedule', 'schedule');
    }
  }

  async #ask(app: string, worker: string, reason: RestartReason, origin: 'guard' | 'schedule'): Promise<void> {
    if (this.#closing.signal.aborted || this.#parts.restarter.isBusy(app, worker)) return;
    await this.#parts.restarter.ask({ app, worker, reason, origin, force: false, dryRun: false, alert: null });
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

const RANK: Record<Level, number> = { warning: 0, critical: 1, restart: 2 };

function heldWords(app: AppConfig, resource: Resource): string {
  const hold = holdOf(app, resource);
  return hold > 0 ? ` for ${formatDuration(hold)}` : '';
}
