import type { Clock } from '../clock.js';
import { formatElapsed } from '../units.js';
import type { AgentHub, AgentReport } from './hub.js';
import type { ReadSigns, Signs } from './signs.js';
import type { Vigil } from './vigil.js';

/** Why an agent may be silent though its app has not frozen. */
export const STANDSTILL_CAUSES = [
  'stopped', // the process, by a signal: SIGSTOP, SIGTSTP, a shell's Ctrl-Z
  'traced', // the process, by a tracer: gdb, strace
  'debugged', // somebody is connected to its inspector, and may have paused it
  'swapping', // the machine moves memory instead of computing
  'blind', // the warden itself could not see and hear
] as const;
export type StandstillCause = (typeof STANDSTILL_CAUSES)[number];

export interface Standstill {
  cause: StandstillCause;
  /** The last time it is known to have held, by `clock.monotonic()`. */
  until: number;
  /** False: it is over, and the silence goes on. */
  lasts: boolean;
}

/** What a standstill that is over leaves to an app until its silence counts again: an agent beats every second. */
export const HEARD_AGAIN_MS = 2000;
/** A loop that turns is heard every second: from here on it is worth a look. */
const SILENT_MS = 1500;
/**
 * Page faults a second that waited for a disk. At some 10 ms each (a rotating disk's seek and turn) 20 of them are a
 * fifth of the time; a loop that merely spins has none, its pages being in memory.
 */
const SWAPPING_FAULTS_PER_SECOND = 20;
/**
 * The kernel calls a machine that spends time so "thrashing" (https://docs.kernel.org/accounting/psi.html, `full`), and
 * systemd-oomd begins to kill at 60% (oomd.conf(5), DefaultMemoryPressureLimit). As avg10 is an average over 10 s, a
 * fifth of it has come together after two seconds and a half in which nothing went on.
 */
const SWAPPING_PRESSURE = 0.2;
/** Faults are counted over no less than this; the kernel's figures are too coarse for a rate below. */
const LEAST_RATE_MS = 200;

/** What has been seen of one silence. A heartbeat ends it. */
interface Silence {
  heartbeatAt: number;
  faults: { count: number; at: number; perSecond: number } | null;
  standstill: Standstill | null;
}

export interface StandstillParts {
  hub: Pick<AgentHub, 'report'>;
  vigil: Pick<Vigil, 'blindUntil'>;
  readSigns: ReadSigns;
  clock: Clock;
}

/** Finds out why agents are silent, and remembers until when that held. */
export class Standstills {
  readonly #parts: StandstillParts;
  readonly #silences = new Map<number, Silence>();

  constructor(parts: StandstillParts) {
    this.#parts = parts;
  }

  /** Looks at those of the processes whose agents are silent; reads nothing where none is. Never rejects. */
  async look(pids: readonly number[]): Promise<void> {
    const { hub, clock, readSigns } = this.#parts;
    for (const pid of this.#silences.keys()) if (!hub.report(pid)) this.#silences.delete(pid);
    const now = clock.monotonic();
    const silent: AgentReport[] = [];
    for (const pid of pids) {
      const report = hub.report(pid);
      if (report && now - report.heartbeatAt >= SILENT_MS) silent.push(report);
    }
    await Promise.all(
      silent.map(async ({ pid, heartbeatAt, inspectorPort }) => {
        const signs = await readSigns(pid, inspectorPort);
        const known = this.#silences.get(pid);
        const before = known?.heartbeatAt === heartbeatAt ? known : { heartbeatAt, faults: null, standstill: null };
        if (signs) this.#silences.set(pid, hear(before, signs, clock.monotonic()));
      }),
    );
  }

  /** What is known of an agent's present silence; null where nothing excuses it. */
  of({ pid, heartbeatAt }: AgentReport): Standstill | null {
    const silence = this.#silences.get(pid);
    const own = silence?.heartbeatAt === heartbeatAt ? silence.standstill : null;
    const blindUntil = this.#parts.vigil.blindUntil();
    if (blindUntil <= heartbeatAt || (own && own.until >= blindUntil)) return own;
    return { cause: 'blind', until: blindUntil, lasts: false };
  }
}

/** Pure: a silence after another look at `now`. */
function hear({ heartbeatAt, faults: last, standstill: known }: Silence, signs: Signs, now: number): Silence {
  const faults = faultsOf(last, signs.majorFaults, now);
  const cause = causeOf(signs, faults?.perSecond ?? 0);
  const standstill = cause ? { cause, until: now, lasts: true } : known && { ...known, lasts: false };
  return { heartbeatAt, faults, standstill };
}

function causeOf(signs: Signs, faultsPerSecond: number): StandstillCause | null {
  if (signs.stoppedBy !== null) return signs.stoppedBy === 'signal' ? 'stopped' : 'traced';
  if (signs.debuggerAttached) return 'debugged';
  const isPressed = signs.memoryPressure !== null && signs.memoryPressure >= SWAPPING_PRESSURE;
  return isPressed || faultsPerSecond >= SWAPPING_FAULTS_PER_SECOND ? 'swapping' : null;
}

function faultsOf(last: Silence['faults'], count: number | null, now: number): Silence['faults'] {
  if (count === null) return null;
  if (!last) return { count, at: now, perSecond: 0 };
  const passedMs = now - last.at;
  return passedMs < LEAST_RATE_MS ? last : { count, at: now, perSecond: ((count - last.count) / passedMs) * 1000 };
}

/** Half a sentence for people, `now` being the moment of the judgement by `clock.monotonic()`. */
export function describeStandstill({ cause, until, lasts }: Standstill, now: number): string {
  const is = lasts ? 'is' : 'was';
  const words: Record<StandstillCause, string> = {
    stopped: `the process ${is} stopped by a signal (state T; SIGCONT lets it go on)`,
    traced: `the process ${is} stopped by a tracer such as gdb (state t)`,
    debugged: `a debugger ${is} attached to its inspector`,
    swapping: `the machine ${is} swapping heavily`,
    blind: 'heapwarden itself stood still, or the clock jumped,',
  };
  return lasts ? words[cause] : `${words[cause]} until ${formatElapsed(now - until)} ago`;
}
