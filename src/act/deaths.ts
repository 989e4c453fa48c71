import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import { causeOfDeath, mayBeKilled, type Cause, type DeathReason } from '../decide/death.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { sameProcess } from '../observe/identity.js';
import type { OomKills } from '../observe/oom-kills.js';
import { workerKey, type Workers, type WorkerState } from '../observe/tracker.js';
import type { Death as ToldDeath, Ending, Supervisor } from '../supervisors/contract.js';
import { formatBytes } from '../units.js';
import type { PostMortem } from './evidence/post-mortem.js';
import type { Witness } from './evidence/witness.js';
import type { History } from './history.js';
import { newId, type Death } from './incident.js';
import type { Journal } from './journal.js';
import { measurementOf } from './outcome.js';

export interface DeathsParts {
  supervisors: ReadonlyMap<string, Supervisor>;
  kills: Pick<OomKills, 'look' | 'of'>;
  witness: Pick<Witness, 'of'>;
  postMortem: Pick<PostMortem, 'write'>;
  history: Pick<History, 'add'>;
  journal: Pick<Journal, 'record'>;
  clock: Pick<Clock, 'now'>;
  log: Log;
  onDeath(death: Death): void;
}

/** In its last moments a process may still be there without its agent, and its end may be told one look late. */
const LOOKS = 3;

interface Seen {
  state: WorkerState;
  /** Which look it was. */
  look: number;
}

/** Puts on record which processes died for want of memory. Their supervisor starts them again; nothing is done here. */
export class Deaths {
  readonly #parts: DeathsParts;
  /** How each worker's processes looked lately, newest first, without those looks of which a newer one tells as much. */
  readonly #known = new Map<string, Seen[]>();
  #looks = 0;
  /** By worker, when the last death was that its supervisor told. */
  readonly #heard = new Map<string, number>();
  /** By app, what tells of it, and the time of day of the first look at that; milliseconds since 1970. */
  readonly #watched = new Map<string, { by: Supervisor; sinceMs: number }>();

  constructor(parts: DeathsParts) {
    this.#parts = parts;
  }

  /** Once a round, before the witness forgets those that are no longer there. */
  async look(apps: readonly AppConfig[], workers: Workers): Promise<void> {
    for (const app of apps) {
      const endings = (await this.#parts.supervisors.get(app.name)?.endings?.()) ?? [];
      for (const ending of endings) await this.#examine(app, ending);
    }
    const configs = new Map(apps.map((app) => [app.name, app]));
    for (const app of this.#watched.keys()) if (!configs.has(app)) this.#watched.delete(app);
    for (const app of configs.keys()) this.#watch(app);
    for (const { app, worker } of workers.values()) {
      const config = configs.get(app);
      const death = config && this.#parts.supervisors.get(app)?.lastDeath?.(worker);
      if (death) await this.#hear(config, worker, death);
    }
    for (const key of this.#known.keys()) if (!workers.has(key)) this.#known.delete(key);
    this.#looks += 1;
    for (const [key, worker] of workers) this.#remember(key, worker);
    await this.#parts.kills.look([...workers.values()].flatMap(rootPid));
  }

  #remember(key: string, state: WorkerState): void {
    const look = this.#looks;
    const seen = this.#known.get(key) ?? [];
    this.#known.set(key, seen);
    while (seen.length > 0 && look - seen.at(-1)!.look >= LOOKS) seen.pop();
    if (!state.reading) return;
    while (seen.length > 0 && tellsAsMuch(state, seen[0]!.state)) seen.shift();
    seen.unshift({ state, look });
  }

  /** With another supervisor, the app may be another container or unit: of what that was before, nothing is known. */
  #watch(app: string): void {
    const by = this.#parts.supervisors.get(app);
    if (!by || this.#watched.get(app)?.by === by) return;
    this.#watched.set(app, { by, sinceMs: this.#parts.clock.now() });
    for (const [key, [seen]] of this.#known) if (seen?.state.app === app) this.#known.delete(key);
  }

  /** What a supervisor has found out by itself, once; of what had died before this warden watched the app, nothing. */
  async #hear(app: AppConfig, worker: string, death: ToldDeath): Promise<void> {
    const key = workerKey(app.name, worker);
    if (this.#heard.get(key) === death.atMs) return;
    this.#heard.set(key, death.atMs);
    if (death.cause === 'other') return;
    const alive = this.#seen(key).filter(({ reading }) => reading && reading.startedAtMs < death.atMs);
    if (alive.length === 0 && death.atMs < this.#watched.get(app.name)!.sinceMs) return;
    const state = lastOf(alive);
    await this.#record(app, { worker, atMs: death.atMs, words: '' }, { reason: death.cause, evidence: death.detail }, state);
  }

  async #examine(app: AppConfig, ending: Ending): Promise<void> {
    const alive = this.#seen(workerKey(app.name, ending.worker)).filter(({ reading }) => reading?.root.pid === ending.pid);
    const state = lastOf(alive);
    const tree = [ending.pid, ...(state?.reading?.tree ?? []).map(({ pid }) => pid)];
    const kill = mayBeKilled(ending) ? await this.#parts.kills.of(tree) : null;
    const cause = causeOfDeath(ending, kill);
    if (cause) await this.#record(app, ending, cause, state);
  }

  /** Newest first. */
  #seen(key: string): WorkerState[] {
    return this.#known.get(key)?.map(({ state }) => state) ?? [];
  }

  async #record(app: AppConfig, ending: Pick<Ending, 'worker' | 'atMs' | 'words'>, cause: Cause, state: WorkerState | null): Promise<void> {
    const { worker, atMs, words } = ending;
    const { witness, postMortem, history, journal, log, onDeath } = this.#parts;
    const { reason } = cause;
    const before = state && measurementOf(state, app);
    const id = newId(atMs);
    const found = { action: 'death', reason, id, atMs, app: app.name, worker, before, outcome: null } as const;
    const measuredAtMs = before && state.observedAtMs;
    const sentence = sentenceOf({ ...found, measuredAtMs }, cause);
    const death: Death = { ...found, measuredAtMs, sentence, evidence: null };
    death.evidence = await postMortem.write({ death, words, memory: state && witness.of(state) }, app);
    history.add(death);
    onDeath(death);
    const evidence = death.evidence?.folder ?? null;
    log.error(sentence, { app: app.name, worker, action: 'death', reason, incident: id, evidence });
    await journal.record(death).catch((error: unknown) => log.error(messageOf(error)));
  }
}

const rootPid = ({ reading }: WorkerState): number | [] => reading?.root.pid ?? [];

/** With its agent's word where one has it. `states`: newest first. */
function lastOf(states: readonly WorkerState[]): WorkerState | null {
  return states.find(({ agent }) => agent?.stats) ?? states[0] ?? null;
}

/** Whether `lastOf` would choose `now` before it anyway: what need not be kept is not, for it would outlive a look. */
function tellsAsMuch(now: WorkerState, before: WorkerState): boolean {
  return sameProcess(now.reading?.root, before.reading?.root) && Boolean(now.agent?.stats || !before.agent?.stats);
}

const DIED_OF: Record<DeathReason, string> = {
  oom_heap: "died of V8's heap limit",
  oom_kernel: 'was killed by the kernel for want of memory',
};

const REMEDY: Record<DeathReason, string> = {
  oom_heap: 'raise --max-old-space-size, or have it restarted before with a limit on heap',
  oom_kernel: 'give it more memory, or have it restarted before with a limit on rss',
};

function sentenceOf(death: Omit<Death, 'sentence' | 'evidence'>, { evidence }: Cause): string {
  const { app, worker, reason, before, measuredAtMs } = death;
  const died = `${app}/${worker} ${DIED_OF[reason]}`;
  if (!before || measuredAtMs === null) return `${died}, before it was measured (${evidence}); ${REMEDY[reason]}`;
  const { heapUsedBytes, heapLimitBytes, rssBytes } = before;
  const time = new Date(measuredAtMs).toISOString().slice(11, 19);
  const isHeapKnown = heapUsedBytes !== null && heapLimitBytes !== null;
  const heap = isHeapKnown ? `heap ${formatBytes(heapUsedBytes)} of ${formatBytes(heapLimitBytes)}, ` : '';
  return `${died}: ${heap}resident ${formatBytes(rssBytes)} at ${time}Z (${evidence}); ${REMEDY[reason]}`;
}
