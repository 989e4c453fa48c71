import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { ProcessId } from '../supervisors/contract.js';
import type { Attached, AttachRefused } from './attach.js';
import type { AgentHub } from './hub.js';
import { mayPass } from './inspector-open.js';
import type { Reading } from './sampler.js';
import type { Workers, WorkerState } from './tracker.js';

/** What an earlier warden left in a process comes back by itself within this: the longest wait of agent/link.cts. */
const RECONNECT_MS = 12_000;
/** A shell that becomes Node by exec(2) remains the same process, and has done so by then. */
const EXEC_MS = 10_000;
/** Of one process that does not answer: each may find it in another long native call. */
const MOST_TRIES = 3;

export interface AttacherParts {
  hub: Pick<AgentHub, 'report'>;
  isNode(pid: number): Promise<boolean>;
  attach(pid: number, app: string): Promise<Attached | AttachRefused>;
  clock: Clock;
  log: Log;
}

/** What is known of one process, for as long as it is in a worker's tree. */
interface Known {
  isNode: boolean;
  /** By `clock.monotonic()`, when it was seen first. */
  since: number;
  /** Attached, or refused for good. */
  isDone: boolean;
  tries: number;
  /** The last thing that was said of it. */
  told: string | null;
}

/**
 * Attaches to the workers of apps with `runtime: inspector`, to each process once: in the tree the one that is Node and
 * has the largest memory, as the spokesman of agents is chosen. One after the other, behind the rounds' back.
 */
export class Attacher {
  readonly #parts: AttacherParts;
  readonly #startedAtMs: number;
  readonly #startedAt: number;
  #known = new Map<string, Known>();
  #running: Promise<void> | null = null;
  #isClosed = false;

  constructor(parts: AttacherParts) {
    this.#parts = parts;
    this.#startedAtMs = parts.clock.now();
    this.#startedAt = parts.clock.monotonic();
  }

  /** Begins with what the last round has seen, unless the last one's is still being worked on. Never throws. */
  look(apps: readonly AppConfig[], workers: Workers): void {
    if (this.#running || this.#isClosed) return;
    const wanted = new Set(apps.filter(({ runtime }) => runtime === 'inspector').map(({ name }) => name));
    const mine: WorkerState[] = [];
    for (const worker of workers.values()) if (wanted.has(worker.app) && worker.supervisor !== 'none') mine.push(worker);
    const present = new Set(mine.flatMap(({ reading }) => reading?.tree.map(keyOf) ?? []));
    this.#known = new Map([...this.#known].filter(([key]) => present.has(key)));
    if (mine.length === 0) return;
    this.#running = this.#each(mine).finally(() => (this.#running = null));
  }

  /** Waits for the one under way, so that no inspector stays open. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #each(workers: readonly WorkerState[]): Promise<void> {
    for (const { app, worker, reading } of workers) {
      if (this.#isClosed) return;
      if (reading) {
        await this.#one(app, worker, reading).catch((error: unknown) =>
          this.#parts.log.error(`${app}/${worker}: failed to attach: ${messageOf(error)}`, { app, worker }),
        );
      }
    }
  }

  async #one(app: string, worker: string, reading: Reading): Promise<void> {
    const { hub, clock, attach, log } = this.#parts;
    const service = await this.#serviceIn(reading);
    if (!service || hub.report(service.pid)) return;
    const known = this.#knownOf(service);
    const mayComeBack = reading.startedAtMs < this.#startedAtMs && clock.monotonic() - this.#startedAt < RECONNECT_MS;
    if (known.isDone || mayComeBack) return;
    const { pid } = service;
    known.tries += 1;
    const result = await attach(pid, app);
    const name = `${app}/${worker}`;
    const fields = { app, worker, pid };
    if ('isNew' in result) {
      known.isDone = true;
      const what = result.isNew ? 'was attached to' : 'has an agent already, which goes on';
      log.info(`${name}: process ${pid} ${what}; its inspector was open for ${Math.round(result.openMs)} ms`, fields);
      if (!result.isClosed) log.warn(`${name}: the inspector of process ${pid} is still open: it is in a long native call`, fields);
      return;
    }
    const { refusal, why, closedLater } = result;
    known.isDone = !mayPass(refusal);
    void closedLater?.then((closed) => (known.isDone = !closed || known.tries >= MOST_TRIES));
    if (refusal === 'gone' || refusal === 'busy' || refusal === 'too_young' || known.told === refusal) return;
    known.told = refusal;
    log.warn(`${name}: process ${pid} is measured from outside only: ${why}`, { ...fields, refusal });
  }

  /** null where there is no Node process in the tree. */
  async #serviceIn({ tree }: Reading): Promise<ProcessId | null> {
    const { isNode, clock } = this.#parts;
    for (const usage of tree.toSorted((a, b) => b.rssBytes - a.rssBytes)) {
      const key = keyOf(usage);
      const now = clock.monotonic();
      const known = this.#known.get(key) ?? { isNode: false, since: now, isDone: false, tries: 0, told: null };
      this.#known.set(key, known);
      // Not asked for ever: it takes a read of the executable.
      if (!known.isNode && now - known.since <= EXEC_MS) known.isNode = await isNode(usage.pid);
      if (known.isNode) return usage;
    }
    return null;
  }

  #knownOf(process: ProcessId): Known {
    return this.#known.get(keyOf(process))!;
  }
}

const keyOf = ({ pid, start }: ProcessId): string => `${pid}:${start}`;
