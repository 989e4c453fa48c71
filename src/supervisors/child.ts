import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import type { Clock } from '../clock.js';
import type { ChildConfig } from '../config/schema.js';
import { HeapwardenError } from '../errors.js';
import type { Log } from '../log.js';
import { childEnvironment } from './child-env.js';
import type { OutputStream } from './child-run.js';
import { ChildWorker } from './child-worker.js';
import type { Drain, Ending, ProcessTable, RestartOptions, RestartReport, Slot, Supervisor } from './contract.js';
import type { Leftovers } from './leftovers.js';
import { SharedPort } from './shared-port.js';

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
  drain: Drain;
  clock: Clock;
  log: Log;
  onOutput(app: string, worker: string, stream: OutputStream, chunk: Buffer): void;
}

/**
 * heapwarden runs the command itself, in `instances` slots.
 *
 * With `listen`, it opens that port and hands the same socket to every process, as descriptor 3 and in the words of
 * HEAPWARDEN_LISTEN; the agent makes the app's own listen() take it. So a graceful restart starts the new process
 * first, and no connection is ever refused. Not for an app that is a cluster's primary, or that something else than
 * heapwarden starts (`npm start`): there the port is not taken, and the log says so.
 */
export class ChildSupervisor implements Supervisor {
  readonly kind = 'child';
  readonly #parts: ChildParts;
  readonly #workers: ChildWorker[];
  #port: SharedPort | null = null;
  #closed = false;

  constructor(parts: ChildParts) {
    const { app, config, processes, clock, log, drain } = parts;
    this.#parts = parts;
    this.#workers = Array.from({ length: config.instances }, (_, index) => {
      const worker = String(index);
      const env = childEnvironment(parts, worker, process.env);
      return new ChildWorker({ app, worker, command: config.command, cwd: config.cwd ?? process.cwd(), env }, {
        processes,
        clock,
        log,
        drain,
        port: () => this.#port,
        door: (turn) => doorPath(parts, worker, turn),
        onOutput: (slot, stream, chunk) => parts.onOutput(app, slot, stream, chunk),
        onChange: () => this.#remember(),
      });
    });
  }

  /** Throws HeapwardenError ADDRESS_IN_USE or SUPERVISOR_REFUSED where `listen` cannot be had; nothing runs then. */
  async start(): Promise<void> {
    await this.#parts.leftovers.stop(this.#parts.app, this.#parts.stopTimeoutMs());
    await this.#openPort();
    await Promise.all(this.#workers.map((worker) => worker.start()));
  }

  async slots(): Promise<Slot[]> {
    await this.#parts.leftovers.retry();
    return this.#workers.map(slotOf);
  }

  beside(): number[] {
    return this.#workers.flatMap(pidsBeside);
  }

  async endings(): Promise<Ending[]> {
    return Promise.all(this.#workers.flatMap(endingsOf));
  }

  async restart(name: string, options: RestartOptions): Promise<RestartReport> {
    const worker = this.#workers.find((candidate) => candidate.worker === name);
    if (!worker) throw new HeapwardenError('UNKNOWN_WORKER', `${this.#parts.app} has no worker ${name}`);
    await this.#openPort(); // where it could not be had at the start
    return worker.restart(options);
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close(this.#parts.stopTimeoutMs())));
    await this.#remember(); // behind whatever is still being written
    this.#closed = true;
    this.#port?.close();
    this.#port = null;
  }

  async #openPort(): Promise<void> {
    const { app, config } = this.#parts;
    if (config.listen === undefined || this.#port || this.#closed) return;
    const port = await SharedPort.bind(app, config.listen);
    if (this.#port || this.#closed) port.close();
    else this.#port = port;
  }

  #remember(): Promise<void> {
    return this.#parts.leftovers.remember(
      this.#parts.app,
      this.#workers.flatMap(({ ids }) => ids),
      this.#workers.flatMap(({ mark }) => mark ?? []),
    );
  }
}

// Named, and not made in every look: V8 forgets the optimized code of a function whose last closure is collected.
const slotOf = ({ worker, id, state }: ChildWorker): Slot => ({ worker, pid: id?.pid ?? null, state });
const pidsBeside = ({ beside }: ChildWorker): number[] => beside.map(({ pid }) => pid);
const endingsOf = (worker: ChildWorker): Promise<Ending>[] => worker.takeEndings();

/**
 * In the agent socket's folder, which is this user's alone, and hardly longer than that: Unix sockets' paths have at
 * most 107 bytes. The same names again and again, so that a killed warden leaves nothing that the next does not remove.
 */
function doorPath({ agentSocket, app }: ChildParts, worker: string, turn: 0 | 1): string {
  const slot = createHash('sha256').update(JSON.stringify([agentSocket, app, worker])).digest('hex').slice(0, 8);
  return join(dirname(agentSocket), `${slot}.${turn}`);
}
