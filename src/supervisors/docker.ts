import type { Clock } from '../clock.js';
import type { DockerConfig } from '../config/schema.js';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Death, Drain, ProcessTable, RestartOptions, RestartReport, Slot, Supervisor } from './contract.js';
import { parseContainer, slotState, type Container } from './docker-container.js';
import { deathOf } from './docker-death.js';
import { DockerEngine } from './docker-engine.js';
import { pidSeenHere } from './docker-process.js';
import { restartContainer, type DockerRestartParts } from './docker-restart.js';
import { placeContainers } from './docker-slots.js';
import { NOT_DRAINED } from './drain.js';

/** What Docker would fail at, or do what nobody wants: in words, with what to do. */
const BUSY: Record<string, string> = {
  paused: 'it is paused, which somebody has asked for; docker unpause ends that',
  removing: 'it is being removed',
  dead: 'its removal has failed half-way; docker rm -f, and make it anew',
};

export interface DockerOptions {
  app: string;
  config: DockerConfig;
  engine: DockerEngine;
  processes: ProcessTable;
  clock: Clock;
  log: Log;
  /** By default nobody can be asked to finish its requests. */
  drain?: Drain;
  /** Whether the container's own health check says when it is ready; by default it does. */
  asksHealth?: () => boolean;
}

/** A container that is there, and what is known of it from outside. */
interface Seen {
  container: Container;
  /** null where no process of it runs. */
  pid: number | null;
}

/**
 * A container by name, or all that bear a label, under Docker or Podman on this machine (Linux). Each container is a
 * worker; its process is its first one with all that come from it, as the machine outside sees them.
 *
 * Nothing is kept running between two looks: that a process has ended is seen by Docker's own time of it, and why is
 * asked of Docker's memory of events (docker-death.ts), which forgets at the next start what inspect had said.
 */
export class DockerSupervisor implements Supervisor {
  readonly kind = 'docker';
  readonly #options: DockerOptions;
  readonly #parts: DockerRestartParts;
  #placed = new Map<string, number>();
  #seen = new Map<string, Seen>();
  readonly #deaths = new Map<string, Death>();

  constructor(options: DockerOptions) {
    this.#options = options;
    const inspect = (id: string, signal?: AbortSignal) => this.#inspect(id, signal);
    this.#parts = { drain: async () => NOT_DRAINED, asksHealth: () => true, ...options, inspect };
  }

  /** Starts nothing: Docker and its containers are their owner's. Tells the log where there is nothing to watch yet. */
  async start(): Promise<void> {
    const { app, log } = this.#options;
    try {
      if ((await this.#containers()).length === 0) log.warn(this.#missing(), { app });
    } catch (error) {
      log.warn(messageOf(error), { app });
    }
  }

  async slots(): Promise<Slot[]> {
    const seen = await this.#look();
    if (seen.size === 0) return [{ worker: '0', pid: null, state: 'stopped' }];
    return [...seen]
      .toSorted(([a], [b]) => Number(a) - Number(b))
      .map(([worker, { container, pid }]) => ({ worker, pid, state: slotState(container) }));
  }

  /** Rejects with the signal's reason where that aborts. */
  async restart(worker: string, options: RestartOptions): Promise<RestartReport> {
    options.signal.throwIfAborted();
    const { app } = this.#options;
    const seen = await this.#look();
    const target = seen.get(worker);
    const refuse = (why: string) =>
      new HeapwardenError('SUPERVISOR_REFUSED', `Docker cannot restart "${app}": ${why}`);
    if (!target) {
      if (seen.size === 0 && worker === '0') throw refuse(this.#missing());
      throw new HeapwardenError('UNKNOWN_WORKER', `"${app}" has no worker "${worker}" in Docker`);
    }
    const { container, pid } = target;
    const busy = BUSY[container.status];
    if (busy) throw refuse(`${busy} (container ${container.name})`);
    return restartContainer(container, pid, options, this.#parts);
  }

  lastDeath(worker: string): Death | null {
    const seen = this.#seen.get(worker);
    return (seen && this.#deaths.get(seen.container.id)) ?? null;
  }

  async close(): Promise<void> {
    this.#options.engine.close();
  }

  /** All that is there, by worker. */
  async #look(): Promise<ReadonlyMap<string, Seen>> {
    const containers = await this.#containers();
    const looks = await Promise.all(containers.map((container) => this.#see(container)));
    const placed = placeContainers(this.#placed, containers);
    this.#placed = placed;
    this.#seen = new Map(looks.map((seen) => [String(placed.get(seen.container.name)), seen]));
    const ids = new Set(containers.map(({ id }) => id));
    for (const id of this.#deaths.keys()) if (!ids.has(id)) this.#deaths.delete(id);
    return this.#seen;
  }

  async #see(container: Container): Promise<Seen> {
    const isCurrent = async () => (await this.#inspect(container.id))?.pid === container.pid;
    const pid = await pidSeenHere(container, isCurrent, this.#options.clock);
    await this.#learnDeath(container);
    return { container, pid };
  }

  async #learnDeath(container: Container): Promise<void> {
    const { id, finishedAtMs } = container;
    if (finishedAtMs === null || this.#deaths.get(id)?.atMs === finishedAtMs) return;
    const { engine, clock } = this.#options;
    this.#deaths.set(id, await deathOf(container, finishedAtMs, clock.now(), engine));
  }

  async #containers(): Promise<Container[]> {
    const { config } = this.#options;
    const names = await this.#names();
    const found = await Promise.all(names.map((name) => this.#inspect(name)));
    const there = found.filter((container) => container !== null); // removed since it was listed
    // Where none is called so, Docker takes it for the beginning of an id: "cafe" may be any container's.
    return typeof config === 'string' ? there.filter(({ name }) => name === config) : there;
  }

  async #names(): Promise<string[]> {
    const { config, engine } = this.#options;
    if (typeof config === 'string') return [config];
    const filters = JSON.stringify({ label: [config.label] });
    const list = await engine.get('/containers/json', { query: { all: '1', filters } });
    if (!Array.isArray(list)) throw strange();
    return (list as { Id?: unknown; Labels?: Record<string, string> }[]).flatMap(({ Id: id, Labels: labels }) => {
      if (typeof id !== 'string') throw strange();
      // `docker compose run` copies a service with its labels, for one command.
      return labels?.['com.docker.compose.oneoff'] === 'True' ? [] : [id];
    });
  }

  /** Null where there is no such container. */
  async #inspect(name: string, signal?: AbortSignal): Promise<Container | null> {
    const request = signal ? { signal } : {};
    const answer = await this.#options.engine.get(`/containers/${encodeURIComponent(name)}/json`, request);
    if (answer === null) return null;
    const container = parseContainer(answer);
    if (!container) throw strange();
    return container;
  }

  #missing(): string {
    const { config } = this.#options;
    return typeof config === 'string'
      ? `it has no container named "${config}"; docker ps --all lists their names`
      : `it has no container with the label ${config.label}; docker ps --all --filter label=${config.label} lists them`;
  }
}

function strange(): HeapwardenError {
  return new HeapwardenError('SUPERVISOR_UNREACHABLE', 'whatever answers on its socket does not answer as Docker does');
}
