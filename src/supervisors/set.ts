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

  constructor(create: (app: AppConfig) => Supervisor, log: Log) {
    this.#create = create;
    this.#log = log;
  }

  async apply(apps: readonly AppConfig[]): Promise<void> {
    const wanted = new Map(apps.map((app) => [app.name, app]));
    const outdated = [...this.byApp.keys()].filter((name) => !isDeepStrictEqual(this.#basis.get(name), basisOf(wanted.get(name))));
    await Promise.all(outdated.map((name) => this.#remove(name)));
    await Promise.all(apps.filter(({ name }) => !this.byApp.has(name)).map((app) => this.#add(app)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.byApp.keys()].map((name) => this.#remove(name)));
  }

  async #add(app: AppConfig): Promise<void> {
    const supervisor = this.#create(app);
    this.byApp.set(app.name, supervisor);
    this.#basis.set(app.name, basisOf(app));
    await supervisor.start().catch((error: unknown) => this.#log.error(`${app.name}: ${messageOf(error)}`, { app: app.name }));
  }

  async #remove(name: string): Promise<void> {
    const supervisor = this.byApp.get(name);
    this.byApp.delete(name);
    this.#basis.delete(name);
    await supervisor?.close().catch((error: unknown) => this.#log.error(`${name}: ${messageOf(error)}`, { app: name }));
  }
}

/** What a supervisor is built from; limits and the rest are read anew each time they are needed. */
function basisOf(app: AppConfig | undefined): unknown {
  return app && { supervisor: app.supervisor, runtime: app.runtime, stopTimeout: app.restart.stop_timeout };
}
