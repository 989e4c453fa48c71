import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import { formatElapsed } from '../units.js';

/** How often the warden makes sure of itself, and how late that may be: a loop later than this has missed something. */
const PERIOD_MS = 500;
const LATE_MS = 500;
/** NTP slews a clock by at most 500 ppm (adjtimex(2)), half a millisecond in a second: more than this was a jump. */
const APART_MS = 500;

/** A shorter spell is everyday life on a busy machine, and told at level debug only. */
const WORTH_TELLING_MS = 2000;

/** One moment on both clocks, in milliseconds. */
export interface Tick {
  wallMs: number;
  monotonic: number;
}

/** What lay between two ticks: how late the second came, and how far the time of day ran ahead (or back, negative). */
export interface Spell {
  lateMs: number;
  jumpMs: number;
}

/** Pure: null where the warden could see and hear all the time from one tick to the next. */
export function blindSpell(last: Tick, now: Tick): Spell | null {
  const passedMs = now.monotonic - last.monotonic;
  const lateMs = Math.max(0, passedMs - PERIOD_MS);
  const jumpMs = now.wallMs - last.wallMs - passedMs;
  return lateMs > LATE_MS || Math.abs(jumpMs) > APART_MS ? { lateMs, jumpMs } : null;
}

/**
 * Whether the warden itself could see and hear: its loop was late (starved, SIGSTOP, a paused virtual machine), or the
 * two clocks ran apart (the clock was set, or the machine suspended: Linux's monotonic clock stands still then).
 */
export class Vigil {
  readonly #clock: Clock;
  readonly #log: Log;
  #last: Tick;
  #blindUntil = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#last = this.#tick();
  }

  start(): void {
    this.#last = this.#tick();
    this.#timer = setInterval(() => this.blindUntil(), PERIOD_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * End of the last blind spell by `clock.monotonic()`, -Infinity before the first. Looks at the clocks itself: whoever
   * asks may be the first to run after a spell, before any timer.
   */
  blindUntil(): number {
    const now = this.#tick();
    const spell = blindSpell(this.#last, now);
    this.#last = now;
    if (spell) {
      this.#blindUntil = now.monotonic;
      const isLong = Math.max(spell.lateMs, Math.abs(spell.jumpMs)) >= WORTH_TELLING_MS;
      const message = `${describe(spell)}; whoever is silent now gets time to be heard before it counts as frozen`;
      this.#log[isLong ? 'warn' : 'debug'](message);
    }
    return this.#blindUntil;
  }

  #tick(): Tick {
    return { wallMs: this.#clock.now(), monotonic: this.#clock.monotonic() };
  }
}

function describe({ lateMs, jumpMs }: Spell): string {
  if (lateMs > LATE_MS) {
    const by = formatElapsed(lateMs);
    return `heapwarden itself stood still for ${by} (short of CPU, stopped, or the machine was paused)`;
  }
  const [by, way] = [formatElapsed(Math.abs(jumpMs)), jumpMs > 0 ? 'ahead' : 'back'];
  return `the clock jumped ${by} ${way} (it was set, or the machine was suspended)`;
}
