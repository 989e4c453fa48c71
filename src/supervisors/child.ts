import type { Clock } from '../clock.js';
import type { ChildConfig } from '../config/schema.js';
import { HeapwardenError } from '../errors.js';
import type { Log } from '../log.js';
import { childEnvironment } from './child-env.js';
import { ChildWorker, type OutputStream } from './child-worker.js';
import type { ProcessTable, RestartOptions, RestartReport, Slot, Supervisor } from './contract.js';
import type { Leftovers } from './leftovers.js';

export interface ChildParts {
  app: string;
  config: ChildConfig;
  /** Path of the agent to preload into every Node process of the app; null where the app wants none. */
  agentEntry: string | null;
  agentSocket: string;
  /** Milliseconds from SIGTERM to SIGKILL when heapwarden itself stops. */
  stopTimeoutMs(): number;
  processes: ProcessTable;
  leftovers: Leftovers;
  clock: Clock;
  log: Log;
  onOutput(app: string, worker: string, stream: OutputStream, chunk: Buffer): void;
}

/** heapwarden runs the command itself, in `instances` slots. */
export class ChildSupervisor implements Supervisor {
  readonly kind = 'child';
  readonly #parts: ChildParts;
  readonly #workers: ChildWorker[];

  constructor(parts: ChildParts) {
    const { app, config, processes, clock, log } = parts;
    this.#parts = parts;
    this.#workers = Array.from({ length: config.instances }, (_, index) => {
      const worker = String(index);
      const env = childEnvironment(parts, worker, process.env);
      return new ChildWorker({ app, worker, command: config.command, cwd: config.cwd ?? process.cwd(), env }, {
        processes,
        clock,
        log,
        onOutput: (slot, stream, chunk) => parts.onOutput(app, slot, stream, chunk),
        onChange: () => this.#remember(),
      });
    });
  }

  async start(): Promise<void> {
    await this.#parts.leftovers.stop(this.#parts.app, this.#parts.stopTimeoutMs());
    await Promise.all(this.#workers.map((worker) => worker.start()));
  }

  async slots(): Promise<Slot[]> {
    return this.#workers.map(({ worker, id, state }) => ({ worker, pid: id?.pid ?? null, state }));
  }

  async restart(name: string, { stopTimeoutMs, signal }: RestartOptions): Promise<RestartReport> {
    const worker = this.#workers.find((candidate) => candidate.worker === name);
    if (!worker) throw new HeapwardenError('UNKNOWN_WORKER', `${this.#parts.app} has no worker ${name}`);
    const stop = await worker.restart(stopTimeoutMs, signal);
    return { stop, pid: worker.id?.pid ?? null, goneAt: null, ready: null };
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close(this.#parts.stopTimeoutMs())));
    await this.#remember(); // behind whatever is still being written
  }

  #remember(): Promise<void> {
    return this.#parts.leftovers.remember(this.#parts.app, this.#workers.flatMap(({ id }) => id ?? []));
  }
}
