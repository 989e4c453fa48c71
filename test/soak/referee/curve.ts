/** The warden's memory and descriptors over the run, and what happened to the workers meanwhile. Pure. */
import type { Records } from './records.js';
import { aligned } from './table.js';

const SLOTS = 12;

/** A row for each twelfth of the time that the referee watched; empty where it saw no warden at all. */
export function curve({ warden, lives, journal }: Records): string {
  const [from, to] = [warden[0]?.at ?? 0, warden.at(-1)?.at ?? 0];
  const length = (to - from) / SLOTS;
  if (length <= 0) return '';
  const rows = Array.from({ length: SLOTS }, (_, i) => {
    const [begin, end] = [from + i * length, i === SLOTS - 1 ? Infinity : from + (i + 1) * length];
    const isIn = (at: number | null): boolean => at !== null && at >= begin && at < end;
    const looks = warden.filter(({ at }) => isIn(at));
    const memory = looks.map(({ rssBytes }) => rssBytes / 1e6);
    const range = (values: readonly number[]) => `${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}`;
    return [
      ((begin - from + length) / 60_000).toFixed(length < 60_000 ? 1 : 0),
      ...(looks.length === 0 ? ['-', '-'] : [range(memory), range(looks.map(({ fds }) => fds))]),
      String(new Set(looks.map(({ pid }) => pid)).size),
      String(journal.restarts.filter(({ seenAt }) => isIn(seenAt)).length),
      String(lives.filter((life) => isIn(life.to)).length),
    ];
  });
  return aligned([['until minute', "the warden's memory, MB", 'descriptors', 'wardens', 'restarts', 'workers that ended'], ...rows]);
}
