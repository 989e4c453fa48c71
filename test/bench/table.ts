/** Pure: the results as text of at most 120 columns. */
import type { Cycle } from './cycle.js';
import { summarize } from './figures.js';
import type { LoadedResult, Promised, TimedResult } from './results.js';

const seconds = (ms: number): string => (ms / 1000).toFixed(ms < 10_000 ? 2 : 1);
const milliseconds = (ms: number): string => String(Math.round(ms));
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);

/** One row a contestant; three figures a cell: median / p95 / max. */
export function timedTable(results: readonly TimedResult[]): string {
  const all = (cycles: readonly Cycle[], of: (cycle: Cycle) => number, format: (value: number) => string): string => {
    if (cycles.length === 0) return '-';
    const { median, p95, max } = summarize(cycles.map(of));
    return [median, p95, max].map(format).join(' / ');
  };
  const rows = results.map(({ name, cycles }) => [
    name,
    String(cycles.length),
    all(cycles, ({ goneMs }) => goneMs, seconds),
    all(cycles, ({ answeringMs }) => answeringMs, seconds),
    all(cycles, ({ overshootBytes }) => overshootBytes, megabytes),
    all(cycles, ({ downMs }) => downMs, milliseconds),
  ]);
  const header = ['median / p95 / max', 'n', 'limit to gone, s', 'to new answering, s', 'overshoot, MB', 'down, ms'];
  return aligned([header, ...rows]);
}

/** One row a contestant; in parentheses, for each restart. */
export function loadedTable(results: readonly LoadedResult[]): string {
  const rows = results.map(({ name, restarts, load }) => {
    if (!load) return [name, String(restarts), '-', '-', '-', '-'];
    const { sent, failed, hanging, longestGapMs } = load;
    const each = (count: number) => `${count} (${(count / Math.max(1, restarts)).toFixed(1)})`;
    return [name, String(restarts), String(sent), each(failed), each(hanging), milliseconds(longestGapMs)];
  });
  return aligned([['under load', 'restarts', 'requests', 'failed', 'hanging', 'longest gap, ms'], ...rows]);
}

/** How requests failed, one line a contestant that lost any. */
export function failureList(results: readonly LoadedResult[]): string[] {
  return results.flatMap(({ name, load }) => {
    const failures = Object.entries(load?.failures ?? {}).map(([how, count]) => `${count} ${how}`);
    return failures.length > 0 ? [`${name}: ${failures.join(', ')}`] : [];
  });
}

export function promiseList(promises: readonly Promised[]): string {
  return promises.map(({ what, kept, found }) => `${kept ? 'kept  ' : 'BROKEN'}  ${what}: ${found}`).join('\n');
}

/** Two spaces between columns; the last one is not padded. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()).join('\n');
}
