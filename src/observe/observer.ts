import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../clock.js';
import { messageOf } from '../errors.js';
import type { Log, LogFields } from '../log.js';
import type { ProcessId, Slot, Supervisor } from '../supervisors/contract.js';
import type { AgentHub, AgentReport } from './hub.js';
import { sameProcess } from './identity.js';
import { joined, type Reading, type Sampler } from './sampler.js';
import { SharedLooks } from './shared-looks.js';
import { describeStandstill, type Standstills } from './standstill.js';
import { track, workerKey, type Moment, type Observation, type Workers, type WorkerState } from './tracker.js';
import { UnmanagedSlots } from './unmanaged.js';

/** How long a fresh answer of an agent is waited for before a decision; a frozen one never gives it. */
const FRESH_STATS_TIMEOUT_MS = 300;
/** Of those why a source does not answer, each is told once until it does; so many at most, should each be another. */
const MOST_REASONS = 10;

export interface SourceHealth {
  success: boolean;
  /** How long the last look took. */
  durationMs: number;
}

export interface ObserverParts {
  supervisors: ReadonlyMap<string, Supervisor>;
  sampler: Sampler;
  hub: AgentHub;
  standstills: Pick<Standstills, 'look' | 'of'>;
  clock: Clock;
  log: Log;
}

type Readings = ReadonlyMap<number, Reading>;
interface AppSlot {
  app: string;
  slot: Slot;
}
interface Measured extends AppSlot {
  reading: Reading | null;
}

/** What is asked, and what the log says when the answers begin to fail and when they come again. */
interface Source {
  name: string;
  failed: string;
  answers: string;
  fields?: LogFields;
}

/** The thin I/O around the tracker: asks supervisors, system and agents, and keeps the latest picture. */
export class Observer {
  workers: Workers = new Map();
  /** By source: `supervisor/APP`, `sampler`. */
  readonly health = new Map<string, SourceHealth>();
  /** By source that does not answer: the reasons that the log has been told. */
  readonly #failures = new Map<string, Set<string>>();
  readonly #parts: ObserverParts;
  readonly #slots = new Map<string, Slot[]>();
  /** Apps whose supervisor did not answer when it was asked last: `health` would take a name for each worker. */
  readonly #silent = new Set<string>();
  readonly #unmanaged = new UnmanagedSlots();
  /** By app, and by worker. */
  readonly #refreshes = new SharedLooks<void>();
  readonly #measurements = new SharedLooks<WorkerState | null>();
  /** Looks overlap: which of them each worker's state comes from. */
  #looks = 0;
  #lookOf = new Map<string, number>();

  constructor(parts: ObserverParts) {
    this.#parts = parts;
  }

  /**
   * One round over everything. Never rejects: what cannot be seen keeps its last known place, and `health` says so.
   */
  async observe(): Promise<Workers> {
    const { supervisors, hub, standstills, clock } = this.#parts;
    const look = (this.#looks += 1);
    const since = clock.monotonic();
    const apps = [...supervisors.keys()];
    await Promise.all(apps.map((app) => this.#refreshSlots(app)));
    for (const app of this.#slots.keys()) if (!supervisors.has(app)) this.#forget(app);

    const slots: AppSlot[] = [];
    for (const [app, all] of this.#slots) for (const slot of all) slots.push({ app, slot });
    const beside = [...supervisors.values()].flatMap((supervisor) => supervisor.beside?.() ?? []);
    const readings = (await this.#sample([...slots.flatMap(rootsOf), ...beside])) ?? this.#lastReadings();
    const managed: Measured[] = [];
    for (const one of slots) managed.push({ ...one, reading: this.#readingOf(one, readings) });
    const pids = managed.flatMap(pidsOf);
    const ours = new Set([...pids, ...beside.flatMap((pid) => pidsOf({ reading: readings.get(pid) ?? null }))]);
    const strangers = this.#strangers(ours, since);
    const theirs = (await this.#sample(strangers)) ?? this.#lastReadings();
    // Heartbeats that arrived while this round was busy are read before anyone is called frozen.
    await turn();
    await standstills.look([...pids, ...strangers]);
    const unmanaged = strangers.flatMap((pid) => hub.report(pid) ?? []);
    const observations: Observation[] = [];
    for (const slot of managed) {
      const observation = this.#observation(slot);
      if (observation) observations.push(observation);
    }
    observations.push(...this.#unmanaged.place(unmanaged, theirs, new Set(supervisors.keys())));
    const tracked = this.#track(look, observations);
    this.workers = tracked.size === observations.length ? tracked : this.#among(observations, tracked);
    for (const key of this.#lookOf.keys()) if (!this.workers.has(key)) this.#lookOf.delete(key);
    return this.workers;
  }

  /**
   * One worker measured again, now; null where there is no such worker, which costs no look at the machine. Where it
   * cannot be measured, there is no reading: what was known before is no measurement. However many ask, they share
   * looks, but for one that had begun before they asked.
   */
  async remeasure(app: string, worker: string): Promise<WorkerState | null> {
    const key = workerKey(app, worker);
    if (!this.#parts.supervisors.has(app)) return this.workers.get(key) ?? null;
    return this.#measurements.look(key, () => this.#measureAgain(app, worker));
  }

  async #measureAgain(app: string, worker: string): Promise<WorkerState | null> {
    const { hub, standstills } = this.#parts;
    const key = workerKey(app, worker);
    const look = (this.#looks += 1);
    await this.#refreshSlots(app);
    const found = this.#slots.get(app)?.find((candidate) => candidate.worker === worker);
    if (!found) return null;
    const slot = { app, slot: found };
    const agent = this.workers.get(key)?.agent;
    const fresh = agent && hub.sample(agent.pid, FRESH_STATS_TIMEOUT_MS);
    const [readings] = await Promise.all([this.#sample(rootsOf(slot)), fresh]);
    const reading = readings && this.#readingOf(slot, readings);
    await standstills.look(pidsOf({ reading }));
    const observation = this.#observation({ ...slot, reading });
    if (!observation) return null;
    if (!readings) return track(this.workers, [observation], this.#moment()).get(key) ?? null;
    this.workers = new Map([...this.workers, ...this.#track(look, [observation])]);
    return this.workers.get(key) ?? null;
  }

  #refreshSlots(app: string): Promise<void> {
    return this.#refreshes.look(app, () => this.#askForSlots(app));
  }

  async #askForSlots(app: string): Promise<void> {
    const answers = `${app}: its supervisor answers again`;
    const source = { name: sourceOf(app), failed: app, answers, fields: { app } };
    const slots = await this.#ask(source, async () => (await this.#parts.supervisors.get(app)?.slots()) ?? []);
    const known = this.#slots.get(app) ?? [{ worker: '0', pid: null, state: 'stopped' }];
    this.#slots.set(app, slots ?? known);
    if (slots) this.#silent.delete(app);
    else this.#silent.add(app);
  }

  /** With those of which a later look knows already. */
  #among(observations: readonly Observation[], tracked: Workers): Workers {
    const seen = new Set(observations.map(({ app, worker }) => workerKey(app, worker)));
    return new Map([...this.workers, ...tracked].filter(([key]) => seen.has(key)));
  }

  /** null where nothing could be measured. */
  #sample(pids: readonly number[]): Promise<Readings | null> {
    if (pids.length === 0) return Promise.resolve(new Map());
    const source = { name: 'sampler', failed: 'memory could not be measured', answers: 'memory is measured again' };
    return this.#ask(source, () => this.#parts.sampler.sample(pids));
  }

  async #ask<T>({ name, failed, answers, fields }: Source, ask: () => Promise<T>): Promise<T | null> {
    const { clock, log } = this.#parts;
    const startedAt = clock.monotonic();
    const ended = (success: boolean) => void this.health.set(name, { success, durationMs: clock.monotonic() - startedAt });
    try {
      const answer = await ask();
      ended(true);
      if (this.#failures.delete(name)) log.info(answers, fields);
      return answer;
    } catch (error) {
      ended(false);
      const [reason, told] = [messageOf(error), this.#failures.get(name) ?? new Set<string>()];
      this.#failures.set(name, told);
      if (told.has(reason) || told.size >= MOST_REASONS) return null;
      told.add(reason);
      log.error(`${failed}: ${reason}`, fields);
      return null;
    }
  }

  #lastReadings(): Readings {
    return new Map([...this.workers.values()].flatMap(({ reading }) => (reading ? [[reading.root.pid, reading]] : [])));
  }

  #readingOf({ app, slot: { worker, pid, others } }: AppSlot, readings: Readings): Reading | null {
    const own = (pid !== null && readings.get(pid)) || null;
    const reading = own && (others ? joined(own, others.flatMap((other) => readings.get(other) ?? [])) : own);
    if (!this.#silent.has(app)) return reading;
    // While the supervisor does not answer, the pid may have gone and come back as a stranger's.
    const known = this.workers.get(workerKey(app, worker))?.reading;
    return sameProcess(known?.root, reading?.root) ? reading : null;
  }

  /** null where the app is not supervised any more. */
  #observation({ app, slot: { worker, state }, reading }: Measured): Observation | null {
    const supervisor = this.#parts.supervisors.get(app);
    const agents: AgentReport[] = [];
    for (const { pid } of reading?.tree ?? []) {
      const report = this.#parts.hub.report(pid);
      if (report) agents.push(report);
    }
    return supervisor ? { app, worker, supervisor: supervisor.kind, state, reading, agents } : null;
  }

  /** What a later look has seen is not undone by an earlier one that took longer. */
  #track(look: number, observations: readonly Observation[]): Workers {
    const timely: Observation[] = [];
    for (const observation of observations) {
      const { app, worker } = observation;
      if ((this.#lookOf.get(workerKey(app, worker)) ?? 0) < look) timely.push(observation);
    }
    const tracked = track(this.workers, timely, this.#moment());
    for (const [key, worker] of tracked) {
      this.#lookOf.set(key, look);
      this.#tell(worker, this.workers.get(key));
    }
    return tracked;
  }

  #moment(): Moment {
    const { clock, standstills } = this.#parts;
    return { nowMs: clock.now(), now: clock.monotonic(), standstillOf: (agent) => standstills.of(agent) };
  }

  /** A standstill is told as it begins; the warden's own is told by itself. */
  #tell({ app, worker, standstill, observedAt }: WorkerState, before: WorkerState | undefined): void {
    if (!standstill?.lasts || before?.standstill?.cause === standstill.cause) return;
    const why = describeStandstill(standstill, observedAt);
    const message = `${app}/${worker}: its event loop does not turn, but ${why}; it does not count as frozen meanwhile`;
    this.#parts.log.warn(message, { app, worker, standstill: standstill.cause });
  }

  /**
   * Pids of agents outside all supervised processes. Not yet of those that have connected since: their processes may
   * be younger than the supervisors' answers.
   */
  #strangers(ours: ReadonlySet<number>, since: number): number[] {
    const reports = this.#parts.hub.reports();
    return reports.filter(({ pid, connectedAt }) => !ours.has(pid) && connectedAt <= since).map(({ pid }) => pid);
  }

  #forget(app: string): void {
    this.#slots.delete(app);
    this.#silent.delete(app);
    this.health.delete(sourceOf(app));
    this.#failures.delete(sourceOf(app));
  }
}

const rootsOf = ({ slot: { pid, others = [] } }: AppSlot): number[] => (pid === null ? [] : [pid, ...others]);

const pidsOf = ({ reading }: Pick<Measured, 'reading'>): number[] => reading?.tree.map(pidOf) ?? [];

const pidOf = ({ pid }: ProcessId): number => pid;

const sourceOf = (app: string): string => `supervisor/${app}`;
