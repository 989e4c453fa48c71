import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Slot, Supervisor } from '../supervisors/contract.js';
import type { AgentHub, AgentReport } from './hub.js';
import { sameProcess } from './identity.js';
import type { Reading, Sampler } from './sampler.js';
import { track, workerKey, type Observation, type Workers, type WorkerState } from './tracker.js';
import { UnmanagedSlots } from './unmanaged.js';

/** How long a fresh answer of an agent is waited for before a decision; a frozen one never gives it. */
const FRESH_STATS_TIMEOUT_MS = 300;

export interface SourceHealth {
  success: boolean;
  /** How long the last look took. */
  durationMs: number;
}

export interface ObserverParts {
  supervisors: ReadonlyMap<string, Supervisor>;
  sampler: Sampler;
  hub: AgentHub;
  clock: Clock;
  log: Log;
}

/** The thin I/O around the tracker: asks supervisors, system and agents, and keeps the latest picture. */
export class Observer {
  workers: Workers = new Map();
  /** By source: `supervisor/APP`, `sampler`. */
  readonly health = new Map<string, SourceHealth>();
  readonly #parts: ObserverParts;
  readonly #slots = new Map<string, Slot[]>();
  readonly #unmanaged = new UnmanagedSlots();

  constructor(parts: ObserverParts) {
    this.#parts = parts;
  }

  /** One round over everything. Never rejects: what cannot be seen keeps its last known place and says so in `health`. */
  async observe(): Promise<Workers> {
    const { supervisors, hub, clock } = this.#parts;
    const apps = [...supervisors.keys()];
    await Promise.all(apps.map((app) => this.#refreshSlots(app)));
    for (const app of this.#slots.keys()) if (!supervisors.has(app)) this.#forget(app);

    const managed = apps.flatMap((app) => (this.#slots.get(app) ?? []).map((slot) => ({ app, ...slot })));
    const readings = await this.#sample([
      ...managed.flatMap(({ pid }) => pid ?? []),
      ...hub.reports().map(({ pid }) => pid),
    ]);
    // Heartbeats that arrived while this round was busy are read before anyone is called frozen.
    await turn();
    const observations: Observation[] = managed.map(({ app, worker, state, pid }) => {
      const reading = (pid !== null && readings.get(pid)) || null;
      return { app, worker, supervisor: supervisors.get(app)!.kind, state, reading, agents: this.#agentsIn(reading) };
    });
    observations.push(...this.#unmanaged.place(this.#strangers(observations), readings, new Set(apps)));
    this.workers = track(this.workers, observations, clock.now());
    return this.workers;
  }

  /** One worker measured again, now; null where there is no such worker. */
  async remeasure(app: string, worker: string): Promise<WorkerState | null> {
    const known = this.workers.get(workerKey(app, worker));
    const supervisor = this.#parts.supervisors.get(app);
    if (!known || !supervisor) return known ?? null;
    await this.#refreshSlots(app);
    const slot = this.#slots.get(app)?.find((candidate) => candidate.worker === worker);
    if (!slot) return null;
    const fresh = known.agent && this.#parts.hub.sample(known.agent.pid, FRESH_STATS_TIMEOUT_MS);
    const [readings] = await Promise.all([this.#sample(slot.pid === null ? [] : [slot.pid]), fresh]);
    const reading = (slot.pid !== null && readings.get(slot.pid)) || null;
    const observation = { app, worker, supervisor: supervisor.kind, state: slot.state, reading, agents: this.#agentsIn(reading) };
    const updated = track(this.workers, [observation], this.#parts.clock.now());
    this.workers = new Map([...this.workers, ...updated]);
    return updated.get(workerKey(app, worker)) ?? null;
  }

  async #refreshSlots(app: string): Promise<void> {
    const { supervisors, log } = this.#parts;
    const source = `supervisor/${app}`;
    const before = this.health.get(source)?.success ?? true;
    try {
      this.#slots.set(app, await this.#timed(source, async () => (await supervisors.get(app)?.slots()) ?? []));
      if (!before) log.info(`${app}: its supervisor answers again`, { app });
    } catch (error) {
      if (!this.#slots.has(app)) this.#slots.set(app, [{ worker: '0', pid: null, state: 'stopped' }]);
      if (before) log.error(`${app}: ${messageOf(error)}`, { app });
    }
  }

  async #sample(pids: number[]): Promise<ReadonlyMap<number, Reading>> {
    return this.#timed('sampler', () => this.#parts.sampler.sample([...new Set(pids)])).catch((error: unknown) => {
      this.#parts.log.error(`memory could not be measured: ${messageOf(error)}`);
      return new Map<number, Reading>();
    });
  }

  async #timed<T>(source: string, look: () => Promise<T>): Promise<T> {
    const startedAt = this.#parts.clock.monotonic();
    let success = false;
    try {
      const result = await look();
      success = true;
      return result;
    } finally {
      this.health.set(source, { success, durationMs: this.#parts.clock.monotonic() - startedAt });
    }
  }

  #agentsIn(reading: Reading | null): AgentReport[] {
    return reading?.tree.flatMap(({ pid }) => this.#parts.hub.report(pid) ?? []) ?? [];
  }

  #strangers(observations: readonly Observation[]): AgentReport[] {
    const placed = new Set(observations.flatMap(({ agents }) => agents.map(({ pid }) => pid)));
    return this.#parts.hub.reports().filter(({ pid }) => !placed.has(pid));
  }

  #forget(app: string): void {
    this.#slots.delete(app);
    this.health.delete(`supervisor/${app}`);
  }
}

/** Whether the slot holds another process than before: restarted, by whomever. */
export function wasReplaced(before: WorkerState | null, after: WorkerState | null): boolean {
  return after?.reading != null && !sameProcess(before?.reading?.root ?? null, after.reading.root);
}
