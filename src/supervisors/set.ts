import { isDeepStrictEqual } from 'node:util';
import type { AppConfig } from '../config/schema.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Supervisor } from './contract.js';

/** One supervisor an app, kept in step with the config: what a reload does not change is not touched. */
export class SupervisorSet {
  readonly byApp = new Map<string, Supervisor>();
  readonly #create: (app: AppConfig) => Supervisor;
  readonly #log: Log;
  readonly #basis = new Map<string, unknown>();
  #closed = false;
  /** One config is applied after the other: of two at once, the older could win. */
  #lastTurn: Promise<void> = Promise.resolve();

  constructor(create: (app: AppConfig) => Supervisor, log: Log) {
    this.#create = create;
    this.#log = log;
  }

  /** Never rejects: an app that cannot be supervised is logged, and hurts no other. */
  apply(apps: readonly AppConfig[]): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed) return;
      const wanted = new Map(apps.map((app) => [app.name, app]));
      const isOutdated = (name: string) => !isDeepStrictEqual(this.#basis.get(name), basisOf(wanted.get(name)));
      const outdated = [...this.byApp.keys()].filter(isOutdated);
      for (const app of outdated.filter((name) => wanted.has(name))) {
        this.#log.warn(`${app}: what runs it has changed in the config, so a child app is stopped and started anew`, { app });
      }
      await Promise.all(outdated.map((name) => this.#remove(name)));
      await Promise.all(apps.filter(({ name }) => !this.byApp.has(name)).map((app) => this.#add(app)));
    });
  }

  /** Closes all of them, and starts none any more. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#inTurn(async () => {
      await Promise.all([...this.byApp.keys()].map((name) => this.#remove(name)));
    });
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    this.#lastTurn = this.#lastTurn.then(act);
    return this.#lastTurn;
  }

  async #add(app: AppConfig): Promise<void> {
    if (this.#closed) return;
    await this.#logged(app.name, async () => {
      const supervisor = this.#create(app);
      this.byApp.set(app.name, supervisor);
      this.#basis.set(app.name, basisOf(app));
      await supervisor.start();
    });
  }

  /** Until its processes have gone, the app is seen. */
  async #remove(name: string): Promise<void> {
    await this.#logged(name, async () => this.byApp.get(name)?.close());
    this.byApp.delete(name);
    this.#basis.delete(name);
  }

  async #logged(app: string, act: () => Promise<void>): Promise<void> {
    await act().catch((error: unknown) => this.#log.error(`${app}: ${messageOf(error)}`, { app }));
  }
}

/** What a supervisor is built from; limits and the rest are read anew each time they are needed. */
function basisOf(app: AppConfig | undefined): unknown {
  return app && { supervisor: app.supervisor, runtime: app.runtime };
}
