import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Death } from './contract.js';
import type { lastFailure } from './systemd-journal.js';
import { isBetweenRuns, type Unit } from './systemd-unit.js';

/** By systemd's Result= (systemd.exec(5), $SERVICE_RESULT). */
const WORDS: Partial<Record<string, string>> = {
  'oom-kill': "was killed for want of memory (the unit's MemoryMax=, or the machine's)",
  'exit-code': 'ended with an exit status other than 0',
  signal: 'was ended by a signal',
  'core-dump': 'crashed (core dump)',
  watchdog: 'did not answer its watchdog (WatchdogSec=)',
  timeout: 'did not start or stop in time',
};

export interface DeathParts {
  app: string;
  user: boolean;
  lastFailure: typeof lastFailure;
  clock: Clock;
  log: Log;
  /** Microseconds of CLOCK_MONOTONIC, in which systemd gives times; Node's hrtime reads that clock. */
  monotonicUs?: () => number;
}

/** What is remembered of a unit. */
interface Seen {
  /** Its starts by Restart= that need no explanation any more. */
  restarts: number;
  /** When the process had ended whose death was told last; 0 for none. */
  toldUs: number;
  atMs: number;
}

/**
 * How the processes of an app's units have died. systemd forgets Result= with the next start, by default 0.1 s after
 * the death: where a look comes too late for it, NRestarts= has counted, and systemd's journal says why.
 */
export class Deaths {
  readonly #parts: DeathParts;
  readonly #seen = new Map<string, Seen>();
  readonly #last = new Map<string, Death>();

  constructor(parts: DeathParts) {
    this.#parts = parts;
  }

  of(id: string): Death | null {
    return this.#last.get(id) ?? null;
  }

  /** Compares with what was seen before. At the first look, only what still lies dead is told. */
  async look(unit: Unit, worker: string): Promise<void> {
    const { id, restarts, result, exitedAtUs } = unit;
    const atMs = this.#parts.clock.now();
    const before = this.#seen.get(id);
    const waits = isBetweenRuns(unit);
    const isDead = (unit.activeState === 'failed' || waits) && result !== 'success' && result !== 'start-limit-hit';
    const toldUs = isDead ? exitedAtUs : (before?.toldUs ?? 0);
    // The start that comes after the wait is counted when it comes.
    this.#seen.set(id, { restarts: restarts + (waits && isDead ? 1 : 0), toldUs, atMs });
    if (isDead && before?.toldUs !== exitedAtUs) this.#tell(unit, worker, result, this.#wallMs(exitedAtUs, atMs));
    else if (!isDead && before && restarts > before.restarts) await this.#askJournal(unit, worker, before.atMs);
  }

  async #askJournal(unit: Unit, worker: string, sinceMs: number): Promise<void> {
    const { app, user, log } = this.#parts;
    const entry = await this.#parts.lastFailure(unit.id, user);
    if (entry && entry.atMs >= sinceMs) return this.#tell(unit, worker, entry.result, entry.atMs);
    log.warn(
      `${app}/${worker}: systemd has started ${unit.id} again, and the journal, as far as this user may read it (the ` +
        'group systemd-journal may), names no failure',
      { app, worker },
    );
  }

  #tell({ id }: Unit, worker: string, result: string, atMs: number): void {
    const { app, log } = this.#parts;
    const cause = result === 'oom-kill' ? 'oom_kernel' : 'other';
    this.#last.set(id, { cause, atMs, detail: `systemd says Result=${result}` });
    const how = WORDS[result] ?? 'failed';
    const when = new Date(atMs).toISOString();
    log.warn(`${app}/${worker}: ${id} ${how}: systemd says Result=${result}, at ${when}`, { app, worker, result });
  }

  #wallMs(us: number, nowMs: number): number {
    const nowUs = this.#parts.monotonicUs?.() ?? Number(process.hrtime.bigint() / 1000n);
    return us === 0 ? nowMs : nowMs - (nowUs - us) / 1000;
  }
}
