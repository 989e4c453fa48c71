import type { AppConfig } from '../../config/schema.js';
import type { Entry } from './processes.js';

/** A process that a supervisor runs for a configured app, with all below it. */
export interface Worker {
  app: AppConfig;
  worker: string;
  /** Root first; never empty. */
  tree: readonly Entry[];
}

/** What is known of the processes of one app; `why` where they could not be found, or none runs. */
export interface AppWorkers {
  app: AppConfig;
  workers: readonly Worker[];
  why: string | null;
}
