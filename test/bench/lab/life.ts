/** Pure: what the warden said of a program over its life, and how much of it was true. */
import type { LeakClass } from '../../../src/decide/leak.js';
import type { Leak } from '../../../src/decide/leak.js';

/** What the warden said at one moment of an app's process; times in hours of the lab's clock. */
export interface Word {
  /** Since the process started. */
  at: number;
  leak: Leak['class'] | null;
  /** Until the restart limit. */
  forecast: number | null;
}

export interface LeakVerdict {
  /** What was said at most looks in the second half of its life; null: nothing. */
  told: Leak['class'] | null;
  isRight: boolean;
  /** Share of its life after which the right class was told first; null: never. */
  knownFrom: number | null;
  /** Of the time that was left at half of its life; null where nothing was forecast then. */
  forecastError: number | null;
}

/** `life`: from its start to the decision to restart it. */
export function judgeLeak(truth: LeakClass, words: readonly Word[], life: number): LeakVerdict {
  const lived = words.filter(({ at }) => at <= life);
  const told = mostTold(lived.filter(({ at }) => at > life / 2));
  const first = lived.find(({ leak }) => leak === truth);
  const half = lived.findLast(({ at }) => at <= life / 2);
  const left = half ? life - half.at : NaN;
  return {
    told,
    isRight: told === truth,
    knownFrom: first ? first.at / life : null,
    forecastError: half?.forecast == null ? null : Math.abs(half.forecast - left) / left,
  };
}

function mostTold(words: readonly Word[]): Leak['class'] | null {
  const counts = new Map<Leak['class'] | null, number>();
  for (const { leak } of words) counts.set(leak, (counts.get(leak) ?? 0) + 1);
  return [...counts].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

/** Words that call a healthy program leaky, by class, with how many they are. */
export function falseAlarms(words: readonly Word[]): { alarms: number; of: number; classes: Leak['class'][] } {
  const wrong = words.flatMap(({ leak }) => leak ?? []);
  return { alarms: wrong.length, of: words.length, classes: [...new Set(wrong)] };
}

/**
 * The place of a function in `suspects.txt`, from 1; null where it is not in it. A row names the function that
 * allocated, and under it the app's own function that called it, where the first is a library's or has no name.
 */
export function rankIn(suspectsText: string, guilty: string): number | null {
  const rows = suspectsText.split(/\n(?= {0,3}\d+\. )/).slice(1);
  const names = (row: string) => [...row.matchAll(/(?:% {2}|called by )(?:new )?(\S+) \(/g)].map(([, name]) => name);
  const index = rows.findIndex((row) => names(row).includes(guilty));
  return index < 0 ? null : index + 1;
}
