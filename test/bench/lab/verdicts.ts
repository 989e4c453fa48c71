/** Pure: what the lab has found, a row for each program, and how it stands against what is expected. */
import type { FrozenProgram, HealthyProgram, LeakProgram } from '../../apps/lab/lab.js';
import { falseAlarms, judgeLeak, rankIn, type LeakVerdict } from './life.js';
import { summarize } from '../figures.js';
import type { Cost } from './profiler-cost.js';
import type { Watched } from './watch.js';

export interface LeakRow extends LeakVerdict {
  program: LeakProgram;
  /** Hours of the lab's clock to the restart; null: not restarted, and then nothing of the rest counts. */
  life: number | null;
  rank: number | null;
  finding: string | null;
  notes: string[];
}

export interface HealthyRow extends ReturnType<typeof falseAlarms> {
  program: HealthyProgram;
}

export interface FreezeRow {
  program: FrozenProgram;
  /** The restart's reason; null where there was none. */
  asked: string | null;
  finding: string | null;
  notes: string[];
  /** It names the guilty function. */
  isNamed: boolean;
  /** It names nobody, and says that and why it could not. */
  saysWhyNot: boolean;
}

export interface Findings {
  leaks: LeakRow[];
  healthy: HealthyRow[];
  freezes: FreezeRow[];
  cost: Cost | null;
}

const NOTHING: Watched = { words: [], incident: null, life: null, evidence: {} };

export function leakRow(program: LeakProgram, { words, incident, life, evidence }: Watched = NOTHING): LeakRow {
  const { finding = null, notes = [] } = incident?.outcome?.evidence ?? {};
  const rank = program.guilty === null ? null : rankIn(evidence['suspects.txt'] ?? '', program.guilty);
  return { program, life, rank, finding, notes, ...judgeLeak(program.class, words, life ?? -1) };
}

export function healthyRow(program: HealthyProgram, { words }: Watched = NOTHING): HealthyRow {
  return { program, ...falseAlarms(words) };
}

export function freezeRow(program: FrozenProgram, { incident }: Watched = NOTHING): FreezeRow {
  const { finding = null, notes = [] } = incident?.outcome?.evidence ?? {};
  const isNamed = finding?.startsWith(`its event loop was held by ${program.guilty} (`) ?? false;
  const saysWhyNot = finding === null && notes.some((note) => /stack could not be had/.test(note));
  return { program, asked: incident?.asked ?? null, finding, notes, isNamed, saysWhyNot };
}

/** What an app loses while it is profiled, as a share of its requests a second of CPU: the median of the pairs. */
export const costShare = ({ off, on }: Cost): number =>
  summarize(off.map((without, i) => 1 - on[i]!.perCpuSecond / without.perCpuSecond)).median;

export interface Expectation {
  what: string;
  isMet: boolean;
  found: string;
}

const MOST_FORECAST_ERROR = 0.2;
const LEAST_AT_RANK_1 = 0.9;

export function expectations({ leaks, healthy, freezes }: Findings): Expectation[] {
  const interruptible = freezes.filter(({ program }) => program.by === 'javascript' || program.by === 'regex');
  const byName = interruptible.filter(({ isNamed }) => isNamed);
  const others = freezes.filter((row) => !interruptible.includes(row));
  const truthful = others.filter((row) => row.isNamed || row.saysWhyNot);
  const named = leaks.filter(({ program }) => program.guilty !== null);
  const first = named.filter(({ rank }) => rank === 1);
  const right = leaks.filter(({ isRight }) => isRight);
  const near = leaks.filter(({ forecastError }) => forecastError !== null && forecastError <= MOST_FORECAST_ERROR);
  const quiet = healthy.filter(({ alarms, of }) => of > 0 && alarms === 0);
  const all = (what: string, of: readonly unknown[], good: readonly unknown[]): Expectation =>
    ({ what, isMet: good.length === of.length, found: `${good.length} of ${of.length}` });
  return [
    all('every freeze in JavaScript or a regular expression names the guilty function', interruptible, byName),
    all('every other freeze names it, or says truthfully why it could not', others, truthful),
    all('every leak is told, and its class is right', leaks, right),
    {
      what: 'the guilty function stands first in at least 9 of 10 heap leaks',
      isMet: named.length === 0 || first.length / named.length >= LEAST_AT_RANK_1,
      found: `${first.length} of ${named.length}`,
    },
    all('no look-alike is called a leak', healthy, quiet),
    all('at half way, the forecast is within 20 % of the time that is left', leaks, near),
  ];
}
