/** Pure: the findings as Markdown. */
import { EVIDENCE_TIMEOUT, FULL } from './sessions.js';
import {
  costShare,
  type Expectation,
  type Findings,
  type FreezeRow,
  type HealthyRow,
  type LeakRow,
} from './verdicts.js';
import { summarize } from '../figures.js';
import type { Turn } from './profiler-cost.js';

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const hours = (value: number): string => `${value.toFixed(1)} h`;

export function leakTable(rows: readonly LeakRow[]): string {
  return table(
    ['leak', 'class', 'told', 'first told', 'guilty function', 'its rank', 'life', 'forecast off at half way'],
    rows.map(({ program, told, isRight, knownFrom, rank, life, forecastError }) => [
      program.file,
      program.class,
      isRight ? 'right' : told === null ? 'NOT TOLD' : `WRONG: ${told}`,
      knownFrom === null ? '-' : percent(knownFrom),
      program.guilty ?? 'not in the heap',
      program.guilty === null ? '-' : rank === null ? 'ABSENT' : String(rank),
      life === null ? 'NOT RESTARTED' : hours(life),
      forecastError === null ? 'NO FORECAST' : percent(forecastError),
    ]),
  );
}

export function healthyTable(rows: readonly HealthyRow[]): string {
  return table(
    ['look-alike', 'what it does', 'called a leak'],
    rows.map(({ program, alarms, of, classes }) => [
      program.file,
      program.looks,
      of === 0 ? 'NOT SEEN' : alarms === 0 ? `no, at ${of} looks` : `YES, at ${alarms} of ${of}: ${classes.join(', ')}`,
    ]),
  );
}

export function freezeTable(rows: readonly FreezeRow[]): string {
  return table(
    ['freeze', 'in', 'guilty function', 'evidence'],
    rows.map((row) => [row.program.file, row.program.by, row.program.guilty, freezeCell(row)]),
  );
}

function freezeCell({ asked, isNamed, saysWhyNot, finding }: FreezeRow): string {
  if (asked === null) return 'NOT RESTARTED';
  if (isNamed) return 'names it';
  return saysWhyNot ? 'says that it could not, and why' : `WRONG: ${finding ?? 'nothing is said'}`;
}

/** What was compressed, and how else this is not the life of a service. */
export const caption = (): string => [
  `Each program is an HTTP service at ${FULL.ordersPerSecond} orders a second with one disease, run by`,
  '`heapwarden serve` as a child app. Time is compressed: an hour of the table is a minute of the run (7.5 s in the',
  'daily wave), as the samples are dated so much faster. On that clock all settings of heapwarden are those that its',
  `users have, but for evidence.timeout: ${EVIDENCE_TIMEOUT} in place of 5s, as a dozen programs reach their limits`,
  `within two minutes on a few cores. So a leak grows ${FULL.pace} times faster than in such a life, and has`,
  `${FULL.pace} times fewer requests, less garbage and fewer collections by V8 itself. "Told": at most looks in the`,
  'second half of its life; "first told": the share of its life after which the right class was told first. "Its rank":',
  'the first row of suspects.txt that names the function, as the one that allocated or as the app\'s own that called',
  'it. "Forecast off": of the time that was left at half of its life.',
].join(' ');

export function costLine({ cost }: Findings): string | null {
  if (!cost) return null;
  const median = (turns: readonly Turn[], of: (turn: Turn) => number) => Math.round(summarize(turns.map(of)).median);
  const rates = (of: (turn: Turn) => number) => [median(cost.off, of), median(cost.on, of)];
  const [off, on] = rates(({ perSecond }) => perSecond);
  const [offCpu, onCpu] = rates(({ perCpuSecond }) => perCpuSecond);
  const less = `${(costShare(cost) * 100).toFixed(1)} % less by the median of ${cost.on.length} pairs`;
  return `Cost of the profiler to a service that does nothing but answer, by turns of the same process: \
${off} requests/s without it and ${on} with it; ${offCpu} and ${onCpu} for each second of its CPU time, which is ${less}.`;
}

export const expectationList = (all: readonly Expectation[]): string =>
  all.map(({ what, isMet, found }) => `${isMet ? 'met   ' : 'MISSED'}  ${what}: ${found}`).join('\n');

/** What the warden said where the table has something in capitals, or a function not at rank 1. */
export function misses({ leaks, freezes }: Findings): string[] {
  const said = (file: string, finding: string | null, notes: readonly string[]): string =>
    [`${file}: ${finding ?? 'no finding'}`, ...notes].join('; ');
  return [
    ...leaks.filter((row) => !row.isRight || (row.program.guilty !== null && row.rank !== 1)),
    ...freezes.filter((row) => !row.isNamed),
  ].map(({ program, finding, notes }) => said(program.file, finding, notes));
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [line(header), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}
