/** Pure: `suspects.txt`. */
import { formatBytes, formatElapsed } from '../../units.js';
import type { Place, Suspect, Suspects } from './suspects.js';

const MOST = 20;
/** Below this a sample of one in 512 KiB says nothing. */
const LEAST_BYTES = 4 * 2 ** 20;
/** From here on the first suspect is named as the finding. */
const CLEAR_SHARE = 0.2;

/** What a process held at one moment, in bytes; null where it was not known. */
export interface Held {
  heap: number | null;
  /** Outside V8's heap, array buffers among it. */
  external: number | null;
  rss: number;
}

export interface Occasion {
  app: string;
  worker: string;
  sinceMs: number;
  nowMs: number;
  before: Held;
  after: Held;
}

export function suspectsText({ total, suspects }: Suspects, occasion: Occasion): string {
  const { app, worker, sinceMs, nowMs, before, after } = occasion;
  const rows = suspects.slice(0, MOST).map((suspect, i) => row(suspect, i + 1));
  const rest = suspects.slice(MOST).reduce((sum, { bytes }) => sum + bytes, 0);
  return `${[
    `What ${app}/${worker} allocated from ${new Date(sinceMs).toISOString()} on and still held ${formatElapsed(nowMs - sinceMs)} later,`,
    'when it was about to be restarted; by the function that allocated it.',
    '',
    `heap      ${change(before.heap, after.heap)}`,
    `external  ${change(before.external, after.external)}`,
    `resident  ${change(before.rss, after.rss)}`,
    '',
    `Of the heap, ${formatBytes(total)} were allocated in that time and are alive, by V8's sample of one in 512 KiB.`,
    'A small function that V8 has inlined counts for the function that calls it.',
    ...caveats(total, occasion),
    '',
    ...(rows.length === 0 ? ['No sample is alive.'] : rows),
    ...(rest > 0 ? [`      ${formatBytes(rest).padStart(8)}  ${percent(rest / total)}  in ${suspects.length - MOST} more`] : []),
  ].join('\n')}\n`;
}

/** One sentence on the first suspect; null where nobody stands out. */
export function suspicion({ total, suspects: [first] }: Suspects): string | null {
  if (!first || total < LEAST_BYTES || first.share < CLEAR_SHARE) return null;
  const by = first.caller ? `, called by ${described(first.caller)}` : '';
  return `${percent(first.share).trim()} of the ${formatBytes(total)} that it allocated since its warning and still held are from ${described(first)}${by}`;
}

function caveats(total: number, { before, after }: Occasion): string[] {
  const outside = (after.external ?? 0) - (before.external ?? 0);
  const lines: string[] = [];
  if (total < LEAST_BYTES) lines.push('That is too little for the order below to mean much.');
  if (outside > total) {
    lines.push(`Outside the heap, which the profiler does not see, ${formatBytes(outside)} came to it: look for buffers that are kept.`);
  }
  return lines;
}

const change = (before: number | null, after: number | null): string =>
  `${before === null ? 'unknown' : formatBytes(before)} then, ${after === null ? 'unknown' : formatBytes(after)} at the restart`;

const percent = (share: number): string => `${Math.round(share * 100)}%`.padStart(4);

function row(suspect: Suspect, rank: number): string {
  const { bytes, share, caller } = suspect;
  const head = `${String(rank).padStart(4)}. ${formatBytes(bytes).padStart(8)}  ${percent(share)}  ${described(suspect)}`;
  return caller ? `${head}\n${' '.repeat(22)}called by ${described(caller)}` : head;
}

export function described({ name, file, line, column }: Place): string {
  return file === null ? name : `${name} (${file}:${line}:${column})`;
}
