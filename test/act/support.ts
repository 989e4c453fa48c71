/** A world without processes: one clock, workers that are values, and supervisors that replace them. */
import { setImmediate as turn } from 'node:timers/promises';
import type { EvidenceReport } from '../../src/act/evidence/report.js';
import { History } from '../../src/act/history.js';
import type { Death, Incident, Outcome } from '../../src/act/incident.js';
import { Journal } from '../../src/act/journal.js';
import { Restarter, type Answer } from '../../src/act/restarter.js';
import type { Clock } from '../../src/clock.js';
import type { AppConfig } from '../../src/config/schema.js';
import type { Gain } from '../../src/decide/gain.js';
import type { Outlook } from '../../src/decide/forecast.js';
import type { Log, LogFields } from '../../src/log.js';
import { workerKey, type Workers, type WorkerState } from '../../src/observe/tracker.js';
import type { RestartOptions, RestartReport, Supervisor } from '../../src/supervisors/contract.js';
import { HOUR, MB, NOW, workerOf, type Made } from '../decide/support.js';

/** Nobody waits: to sleep moves the time on. */
export class FakeClock implements Clock {
  nowMs = NOW;
  now = (): number => this.nowMs;
  #putBackMs = 0;
  monotonic = (): number => this.nowMs + this.#putBackMs;

  /** The time of day, by somebody. */
  putBack(ms: number): void {
    this.nowMs -= ms;
    this.#putBackMs += ms;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    this.nowMs += ms;
    await turn();
  }
}

export class MemoryLog implements Log {
  readonly entries: { level: keyof Log; message: string; fields: LogFields }[] = [];
  debug = this.#recorder('debug');
  info = this.#recorder('info');
  warn = this.#recorder('warn');
  error = this.#recorder('error');

  /** The messages of one level. */
  at(level: keyof Log): string[] {
    return this.entries.filter((entry) => entry.level === level).map(({ message }) => message);
  }

  #recorder(level: keyof Log) {
    return (message: string, fields: LogFields = {}) => void this.entries.push({ level, message, fields });
  }
}

/** Replaces the process of a slot; a test may put something else in its place. */
export type RestartFn = (world: World, worker: string, options: RestartOptions) => Promise<RestartReport>;

export const replace: RestartFn = async (world, worker) => {
  const pid = world.nextPid++;
  world.put({ worker, pid, startedAtMs: world.clock.nowMs, rssBytes: 50 * MB });
  return { stop: 'exited', pid, goneAt: null, ready: null };
};

export class World {
  readonly clock = new FakeClock();
  readonly log = new MemoryLog();
  readonly told: Incident[] = [];
  readonly supervisors = new Map<string, Supervisor>();
  journalErrors = 0;
  nextPid = 200;
  agentReports = true;
  wasDrained = false;
  evidence: EvidenceReport | null = null;
  /** Called while evidence is collected. */
  onEvidence: () => void = () => {};
  outlook: Outlook | null = null;
  gain: Gain | null = null;
  randomness = 0.5;
  /** What supervisors were asked, in order: `shop/0`. */
  readonly restarts: string[] = [];
  onRestart: RestartFn = replace;
  workers: Workers = new Map();
  apps: AppConfig[];
  /** Called at each remeasurement, before it. */
  beforeLook: () => void = () => {};
  /** Set by open(). */
  history = new History([], this.clock);
  isBusy: Restarter['isBusy'] = () => false;

  constructor(...apps: AppConfig[]) {
    this.apps = apps;
    for (const { name } of apps) {
      this.supervisors.set(name, {
        kind: 'pm2',
        start: async () => {},
        slots: async () => [],
        close: async () => {},
        restart: (worker, options) => {
          this.restarts.push(`${name}/${worker}`);
          return this.onRestart(this, worker, options);
        },
      });
    }
  }

  /** Puts a worker of `shop` (or another app) as it is from now on. */
  put(made: Made): void {
    const worker = workerOf({ observedAtMs: this.clock.nowMs, startedAtMs: this.clock.nowMs - HOUR, ...made });
    this.workers = new Map([...this.workers, [workerKey(worker.app, worker.worker), worker]]);
  }

  async remeasure(app: string, worker: string): Promise<WorkerState | null> {
    await turn(); // as a real look does, it takes time in which others may act
    this.beforeLook();
    const known = this.workers.get(workerKey(app, worker));
    return known ? this.#seenNow(known) : null;
  }

  async observe(): Promise<Workers> {
    await turn();
    return new Map([...this.workers].map(([key, worker]) => [key, this.#seenNow(worker)]));
  }

  #seenNow(worker: WorkerState): WorkerState {
    return { ...worker, observedAtMs: this.clock.now(), observedAt: this.clock.monotonic() };
  }

  /** A restarter on this folder's journal, as a warden that starts has it. */
  async open(stateDir: string): Promise<{ restarter: Restarter; journal: Journal }> {
    const { journal, content } = await Journal.open(stateDir);
    this.history = new History(content.incidents, this.clock, content.apps);
    const restarter = new Restarter({
      app: (name) => this.apps.find((app) => app.name === name) ?? null,
      supervisors: this.supervisors,
      observer: this,
      journal,
      history: this.history,
      hasReported: async () => this.agentReports,
      wasDrained: async () => this.wasDrained,
      outlook: () => this.outlook,
      gain: () => this.gain,
      evidence: {
        collect: async () => {
          this.onEvidence();
          return this.evidence;
        },
      },
      random: () => this.randomness,
      clock: this.clock,
      log: this.log,
      onIncident: (incident) => this.told.push(structuredClone(incident)),
      onJournalError: () => this.journalErrors++,
    });
    this.isBusy = (app, worker) => restarter.isBusy(app, worker);
    return { restarter, journal };
  }

  /** The outcome of the restart that was answered, as soon as its worker may be asked for again. */
  async outcomeOf({ action, app, worker, incident, sentence }: Answer): Promise<Outcome> {
    if (action !== 'restart' || !incident) throw new Error(`no restart: ${sentence}`);
    while (this.isBusy(app, worker)) await turn();
    const outcome = this.history.find(incident)?.outcome;
    if (!outcome) throw new Error(`no outcome of ${incident}`);
    return outcome;
  }
}

/** A restart of `shop/0` for its memory that is over, but for what is given. */
export function incidentOf(incident: Partial<Incident> & { id: string }): Incident {
  return {
    action: 'restart',
    reason: 'rss',
    atMs: NOW,
    app: 'shop',
    worker: '0',
    origin: 'guard',
    asked: 'rss',
    force: false,
    sentence: 'shop/0: heapwarden asked for a restart (rss)',
    alert: null,
    before: null,
    outcome: {
      atMs: NOW + 1000,
      result: 'recovered',
      sentence: 'shop/0: restarted in 1.0 s',
      stop: 'exited',
      after: null,
      downtimeMs: null,
      release: null,
      relapsedAtMs: null,
      interrupted: false,
    },
    ...incident,
  } as Incident;
}

/** A death of `shop/0` at V8's heap limit, but for what is given. */
export function deathOf(death: Partial<Death> & { id: string }): Death {
  return {
    action: 'death',
    reason: 'oom_heap',
    atMs: NOW,
    app: 'shop',
    worker: '0',
    sentence: "shop/0 died of V8's heap limit",
    before: null,
    measuredAtMs: null,
    evidence: null,
    outcome: null,
    ...death,
  };
}
