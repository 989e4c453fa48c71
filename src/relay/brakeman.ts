import { isPassing } from '../act/waiting-asks.js';
import type { Clock } from '../clock.js';
import { brakeOf, type Brake, type Machine } from './brake.js';
import type { Fleet } from './fleet.js';
import type { Delivery, Queue } from './queue.js';
import type { BrakeConfig } from './schema.js';
import type { Targets } from './targets.js';

export interface BrakemanParts {
  config: BrakeConfig;
  queue: Queue;
  fleet: Fleet;
  targets(): Targets;
  clock: Clock;
  deliver(instance: string): Promise<void>;
}

/** A restart that has been let begin. */
interface Restart {
  delivery: Delivery;
  startedAtMs: number;
  /** When the warden's answer came, or was given up; null while it is under way. Monotonic, as all times here. */
  answeredAtMs: number | null;
}

/**
 * A restart of which nothing can be heard any more counts no longer: its machine's workers do not count as up either.
 */
const UNHEARD_MS = 600_000;
/** What a warden refused only for now is asked again no sooner. */
const ASK_AGAIN_MS = 15_000;

/** Holds alerts that ask for a restart until the brake lets them go; it asks the wardens only while there are any. */
export class Brakeman {
  readonly #parts: BrakemanParts;
  readonly #closing = new AbortController();
  readonly #restarts = new Set<Restart>();
  /** False from the same turn on in which it found nothing more to do. */
  #isRunning = false;
  #run: Promise<void> = Promise.resolve();

  constructor(parts: BrakemanParts) {
    this.#parts = parts;
  }

  /** There may be something to hold. */
  wake(): void {
    if (!this.#closing.signal.aborted && !this.#isRunning) this.#run = this.#keepLooking();
  }

  /** True where it has been dealt with; false where the warden refused it for now, and it is held again. */
  answered(delivery: Delivery, decisions: readonly string[] | null): boolean {
    // An answer that cannot be read may have been yes.
    const hasBegun = decisions === null || decisions.includes('restart');
    this.#over(delivery, hasBegun);
    if (!decisions?.some(isPassing)) return true;
    this.#hold(delivery, ASK_AGAIN_MS);
    delivery.releasedAtMs = null;
    delivery.problem = `the warden refused it for now: ${decisions.filter(isPassing).join(', ')}`;
    return false;
  }

  failed(delivery: Delivery, mayHaveArrived: boolean): void {
    this.#over(delivery, mayHaveArrived);
    this.#hold(delivery, 0);
  }

  /** It will not be delivered. */
  givenUp(delivery: Delivery): void {
    this.#over(delivery, false);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#run;
  }

  #hold(delivery: Delivery, forMs: number): void {
    delivery.isHeld = true;
    delivery.dueAt = this.#parts.clock.monotonic() + forMs;
    this.wake();
  }

  #over(delivery: Delivery, hasBegun: boolean): void {
    const restart = [...this.#restarts].find((one) => one.delivery === delivery);
    if (restart && hasBegun) restart.answeredAtMs = this.#parts.clock.monotonic();
    else if (restart) this.#restarts.delete(restart);
  }

  async #keepLooking(): Promise<void> {
    const { clock, fleet, config } = this.#parts;
    const { signal } = this.#closing;
    this.#isRunning = true;
    try {
      while (!signal.aborted && (this.#restarts.size > 0 || this.#held().length > 0)) {
        await fleet.refresh();
        if (signal.aborted) return;
        this.#settle();
        this.#letGo();
        await clock.sleep(config.refresh_interval, signal);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  #held(): Delivery[] {
    return this.#parts.queue.all().filter(({ isHeld }) => isHeld).toSorted((a, b) => a.sinceMs - b.sinceMs);
  }

  /** A restart is over when its warden, asked after it began, knows of none. */
  #settle(): void {
    const { fleet, clock, queue } = this.#parts;
    for (const restart of this.#restarts) {
      const { delivery, startedAtMs } = restart;
      // Its alert was resolved before it was sent, or while it was.
      if (!queue.has(delivery)) restart.answeredAtMs ??= clock.monotonic();
      const view = fleet.view(delivery.instance);
      const { answeredAtMs } = restart;
      const isSeen = view?.isKnown === true && answeredAtMs !== null && view.askedAtMs >= answeredAtMs;
      const isOver = isSeen && !view!.apps.get(appOf(delivery))?.some(({ restarting }) => restarting);
      if (isOver || clock.monotonic() - startedAtMs > UNHEARD_MS) this.#restarts.delete(restart);
    }
  }

  #letGo(): void {
    const { config, clock, deliver } = this.#parts;
    const brakes = new Map<string, Brake>();
    for (const delivery of this.#held()) {
      const app = appOf(delivery);
      const { instance, alert, dueAt } = delivery;
      if (dueAt > clock.monotonic()) continue;
      const brake = brakes.get(app) ?? brakeOf(this.#machines(app), config);
      brakes.set(app, brake);
      delivery.problem = brake({ instance, worker: alert.labels['worker'] || null });
      if (delivery.problem !== null) {
        delivery.releasedAtMs = null;
        continue;
      }
      delivery.isHeld = false;
      delivery.releasedAtMs ??= clock.now(); // from one attempt that fails to the next the time runs on
      this.#restarts.add({ delivery, startedAtMs: clock.monotonic(), answeredAtMs: null });
      brakes.delete(app); // it knows of one more now
      void deliver(instance);
    }
  }

  /** Of one app: the machines that have it, or may. One that falls silent has what it last had. */
  #machines(app: string): Machine[] {
    const { fleet, targets } = this.#parts;
    const own = [...this.#restarts].filter(({ delivery }) => appOf(delivery) === app);
    const busy = new Set(own.map(({ delivery }) => delivery.instance));
    return [...targets().keys()].map((instance) => {
      const view = fleet.view(instance);
      const workers = view && (view.apps.get(app) ?? []);
      return { instance, workers, isKnown: view?.isKnown ?? false, isBusy: busy.has(instance) };
    });
  }
}

const appOf = ({ alert }: Delivery): string => alert.labels['app'] ?? '';
