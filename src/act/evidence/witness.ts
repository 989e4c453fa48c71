import type { RuntimeStats } from '../../agent/protocol.cjs';
import type { Clock } from '../../clock.js';
import type { AppConfig } from '../../config/schema.js';
import { limitOf, measure } from '../../decide/measure.js';
import type { AgentHub, AgentReport } from '../../observe/hub.js';
import { sameProcess } from '../../observe/identity.js';
import { sampleOf, type MemorySample } from '../../observe/series.js';
import { workerKey, type Workers, type WorkerState } from '../../observe/tracker.js';
import type { ProcessId } from '../../supervisors/contract.js';

/** What a process was at one moment: bytes, and milliseconds since the epoch. */
export interface Figures {
  atMs: number;
  rssBytes: number;
  stats: RuntimeStats;
  sample: MemorySample;
}

/** What is remembered of a worker's process. */
export interface Memory {
  process: ProcessId;
  /**
   * With the least resident memory of all looks after its `startup_grace`, so that neither modules that are still being
   * loaded nor a load that passes are in it; before that, the first look.
   */
  baseline: Figures;
  last: Figures;
  /** As it was when its allocations began to be sampled; null while they are not. */
  profiledSince: Figures | null;
}

interface Known extends Memory {
  agentPid: number;
  /** By the clock that never jumps: an agent that was without a warden for a while has stopped by itself. */
  connectedAt: number;
  /** The baseline was taken before the process had started up. */
  isEarly: boolean;
  /** By the clock that never jumps; null while it is at or above its line. */
  belowSince: number | null;
  /** The agent has been told, and has heard, that it is to sample, or not to. */
  told: boolean | null;
  asking: boolean;
  /** Another process speaks for the worker by now. */
  isLeft: boolean;
}

export interface WitnessParts {
  hub: Pick<AgentHub, 'profile'>;
  /** As in app-user.ts: a profile that cannot be written is not worth what it costs the app. */
  whyNoFiles(pid: number): Promise<string | null>;
  clock: Clock;
}

/** Without a warning line the profiler runs from this share of the restart line on. */
const NEAR = 0.8;
/** A process must be below its line for so long until its profiler is stopped: a sawtooth would start it over and over. */
const CALM_MS = 60_000;

/** Looks on while processes run, and has the allocations of those sampled that come near their limits. */
export class Witness {
  readonly #parts: WitnessParts;
  readonly #known = new Map<string, Known>();
  /** When their agents connected that were told to sample no more, since their apps are not in the config. */
  readonly #toldOff = new Map<string, number>();

  constructor(parts: WitnessParts) {
    this.#parts = parts;
  }

  /** Once a round; waits for nobody. */
  look(apps: readonly AppConfig[], workers: Workers): void {
    const configs = new Map(apps.map((app) => [app.name, app]));
    for (const [key, known] of this.#known) {
      if (workers.has(key)) continue;
      this.#leave(known); // its app may have left the config, and run on
      this.#known.delete(key);
    }
    for (const [key, worker] of workers) {
      const app = configs.get(worker.app);
      const known = app && this.#remember(key, worker, app);
      if (known) this.#profile(known, worker, app);
      if (!app && worker.agent) this.#tellOff(key, worker.agent);
    }
    for (const key of this.#toldOff.keys()) if (!workers.has(key)) this.#toldOff.delete(key);
  }

  /** It may have been told to sample by a warden that died before its app left the config. */
  #tellOff(key: string, { pid, connectedAt }: AgentReport): void {
    if (this.#toldOff.get(key) === connectedAt) return;
    this.#toldOff.set(key, connectedAt);
    void this.#parts.hub.profile(pid, false);
  }

  /** Null where nothing is known of the process that is there now. */
  of({ app, worker, reading }: WorkerState): Memory | null {
    const known = this.#known.get(workerKey(app, worker));
    return known && sameProcess(known.process, reading?.root) ? known : null;
  }

  /** Its profile has been taken, and with that the profiler has stopped. */
  profileTaken({ app, worker }: WorkerState): void {
    const known = this.#known.get(workerKey(app, worker));
    if (known) Object.assign(known, { told: false, profiledSince: null });
  }

  #remember(key: string, worker: WorkerState, { restart }: AppConfig): Known | null {
    const { reading, agent, observedAtMs } = worker;
    if (!reading || !agent?.stats) return null;
    const sample = sampleOf(worker);
    if (!sample) return null;
    const now: Figures = { atMs: observedAtMs, rssBytes: reading.treeRssBytes, stats: agent.stats, sample };
    let known = this.#known.get(key);
    if (!known || !sameProcess(known.process, reading.root) || known.agentPid !== agent.pid) {
      if (known && sameProcess(known.process, reading.root)) this.#leave(known);
      const never = { profiledSince: null, belowSince: null, told: null, asking: false, isLeft: false };
      const who = { process: reading.root, agentPid: agent.pid, connectedAt: agent.connectedAt };
      known = { ...who, baseline: now, isEarly: true, last: now, ...never };
      this.#known.set(key, known);
    }
    if (known.connectedAt !== agent.connectedAt) {
      Object.assign(known, { connectedAt: agent.connectedAt, told: null, profiledSince: null });
    }
    const hasStarted = observedAtMs - reading.startedAtMs >= restart.startup_grace;
    if (hasStarted && (known.isEarly || now.rssBytes < known.baseline.rssBytes)) Object.assign(known, { baseline: now, isEarly: false });
    known.last = now;
    return known;
  }

  /** Nobody would tell it later that it is to sample no more. */
  #leave(known: Known): void {
    known.isLeft = true;
    if (known.told !== false) void this.#parts.hub.profile(known.agentPid, false);
  }

  #profile(known: Known, worker: WorkerState, app: AppConfig): void {
    const now = this.#parts.clock.monotonic();
    const isNear = wantsProfile(worker, app);
    known.belowSince = isNear ? null : (known.belowSince ?? now);
    const isCalm = known.belowSince !== null && now - known.belowSince >= CALM_MS;
    // Until it is told otherwise, it may still sample for a warden before this one.
    const wanted = isNear || (known.told !== false && known.told !== null && !isCalm);
    if (known.told !== wanted && !known.asking) void this.#tell(known, wanted);
  }

  async #tell(known: Known, wanted: boolean): Promise<void> {
    known.asking = true;
    const since = known.last;
    const { hub, whyNoFiles } = this.#parts;
    const on = wanted && (await whyNoFiles(known.agentPid)) === null && !known.isLeft;
    const heard = on === known.told || (await hub.profile(known.agentPid, on));
    known.asking = false;
    if (!heard) return; // it is asked again in the next round
    known.told = on;
    known.profiledSince = on ? since : null;
  }
}

/** Pure: whether a process is at the line from which on its allocations are worth a tenth of its throughput. */
export function wantsProfile(worker: WorkerState, app: AppConfig): boolean {
  if (!app.evidence.profile || app.evidence.keep === 0 || app.runtime === 'none') return false;
  return (['rss', 'heap'] as const).some((resource) => {
    const value = measure(worker, resource, app.memory);
    const restart = limitOf(app, resource, 'restart');
    const line = limitOf(app, resource, 'warning') ?? (restart === null ? limitOf(app, resource, 'critical') : NEAR * restart);
    return value !== null && line !== null && value >= line;
  });
}
