/** Which programs of the lab run together, and within which limits. */
import { FROZEN, HEALTHY, LEAKS } from '../../apps/lab/lab.js';
import type { FrozenProgram, HealthyProgram, LeakProgram } from '../../apps/lab/lab.js';
import type { LabApp } from './lab-warden.js';
import type { Session } from './watch.js';

export interface Pace {
  /** How many times faster than time the lab's clock goes. */
  pace: number;
  /** Orders a second of each program; in proportion to the pace, so that each disease is as fast by the lab's clock. */
  ordersPerSecond: number;
}

/** An hour takes a minute, and a leak of 1.1 MB/s is one of 66 MB an hour. */
export const FULL: Pace = { pace: 60, ordersPerSecond: 40 };

const HOUR_MS = 3_600_000;
/** A leak needs some 2.5 hours of the lab's clock to its limit; the look-alikes are watched for so long. */
export const WATCHED_HOURS = 3.2;
/** A machine that is busy with other things makes leaks slower. */
const MOST_HOURS = 5;
/** From one program to the next: if all reached their limits at once, they would wait for each other's evidence. */
const STAGGER_MB = 6;

const envOf = ({ pace, ordersPerSecond }: Pace): Record<string, string> =>
  ({ LAB_HOUR_MS: String(HOUR_MS / pace), LAB_ORDERS_PER_SECOND: String(ordersPerSecond) });

/** `for: 30s` by the lab's clock. */
const holdOf = ({ pace }: Pace): string => `${Math.round(30_000 / pace)}ms`;

/** A dozen programs on two cores reach their limits within minutes: what takes a second alone may take ten here. */
export const EVIDENCE_TIMEOUT = '20s';
/** What a child needs comes on top. */
const CHILD_MB = 90;

function leakApp({ file, class: kind }: LeakProgram, place: number, pace: Pace): LabApp {
  const more = place * STAGGER_MB + (kind === 'children' ? CHILD_MB : 0);
  const limits = `rss: { warning: ${165 + more}MB, restart: ${235 + more}MB, for: ${holdOf(pace)} }`;
  return { name: file, file, limits, evidence: `timeout: ${EVIDENCE_TIMEOUT}`, pace: pace.pace, env: envOf(pace) };
}

function healthyApp({ file, haste = 1 }: HealthyProgram, pace: Pace): LabApp {
  const env = { ...envOf(pace), LAB_HOUR_MS: String(HOUR_MS / pace.pace / haste) };
  return { name: file, file, limits: `rss: { restart: 500MB, for: ${holdOf(pace)} }`, pace: pace.pace * haste, env };
}

export function memorySession(
  leaks: readonly LeakProgram[],
  healthy: readonly HealthyProgram[],
  pace: Pace = FULL,
): Session {
  const ms = (hours: number) => (hours * HOUR_MS) / pace.pace;
  return {
    apps: [...leaks.map((one, i) => leakApp(one, i, pace)), ...healthy.map((one) => healthyApp(one, pace))],
    until: new Set(leaks.map(({ file }) => file)),
    leastMs: healthy.length > 0 ? ms(WATCHED_HOURS) : 0,
    mostMs: ms(MOST_HOURS),
  };
}

/** About half of a machine with two cores each. */
export const memorySessions = (pace: Pace = FULL): Session[] => {
  const heap = LEAKS.filter((one) => one.class === 'heap');
  return [memorySession(heap, [], pace), memorySession(LEAKS.filter((one) => one.class !== 'heap'), HEALTHY, pace)];
};

/** A freeze takes a core, and one process at a time on a machine is looked into: each has 9 s until the next begins. */
const FREEZE_AFTER_MS = 6000;
const NEXT_MS = 9000;

export function freezeSession(frozen: readonly FrozenProgram[]): Session {
  const apps = frozen.map(({ file, args = [] }, i): LabApp => ({
    name: file,
    file,
    args,
    env: { FREEZE_AFTER_MS: String(FREEZE_AFTER_MS + i * NEXT_MS) },
    limits: 'freeze: { restart: 2s }',
    pace: 1,
  }));
  return { apps, until: new Set(frozen.map(({ file }) => file)), leastMs: 0, mostMs: 120_000 };
}

export const freezeSessions = (): Session[] => [freezeSession(FROZEN.slice(0, 3)), freezeSession(FROZEN.slice(3))];
