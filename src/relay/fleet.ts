import type { Clock } from '../clock.js';
import type { Targets } from './targets.js';
import { Turns } from './turns.js';
import type { WardenApps, Wardens } from './wardens.js';

export interface FleetParts {
  wardens: Pick<Wardens, 'apps'>;
  targets(): Targets;
  concurrency: number;
  clock: Clock;
}

/** What one warden last said of its machine. */
export interface MachineView {
  /** When it was asked, on the monotonic clock: what began after that is not in it. */
  askedAtMs: number;
  apps: WardenApps;
  /** It answered the last time it was asked. */
  isKnown: boolean;
}

/** What all wardens say of their apps. */
export class Fleet {
  readonly #parts: FleetParts;
  readonly #turns: Turns;
  readonly #views = new Map<string, MachineView>();

  constructor(parts: FleetParts) {
    this.#parts = parts;
    this.#turns = new Turns(parts.concurrency);
  }

  /** Asks every warden; those that do not answer keep what they last said. Never rejects. */
  async refresh(): Promise<void> {
    const { targets, wardens, clock } = this.#parts;
    const all = targets();
    for (const instance of this.#views.keys()) if (!all.has(instance)) this.#views.delete(instance);
    const ask = async (instance: string): Promise<void> => {
      const target = all.get(instance)!;
      const askedAtMs = clock.monotonic();
      try {
        this.#views.set(instance, { askedAtMs, apps: await wardens.apps(target), isKnown: true });
      } catch {
        const view = this.#views.get(instance);
        if (view) this.#views.set(instance, { ...view, isKnown: false });
      }
    };
    await Promise.all([...all.keys()].map((instance) => this.#turns.take(() => ask(instance))));
  }

  /** null where it has never answered. */
  view(instance: string): MachineView | null {
    return this.#views.get(instance) ?? null;
  }
}
