/** Pure: what the monitor shows, as lines for a pipe or a log: everything, once, and nothing cut. */
import { clean, paint, type Look } from './cells.js';
import { NOTHING, savedWords } from './render.js';
import { tableLines, type Column } from './table.js';
import { adviceLine, missingOf, rowsOf, summaryOf, troublesOf, type Row, type View } from './view.js';
import { resultOf, timeOrDay } from './words.js';
import { FIGURES, memoryLine } from './worker-columns.js';

const SPARK = 20;
const INCIDENTS = 10;

export function plainLines(view: View, look: Look): string[] {
  const { status, url, apps = [], incidents = [], nowMs } = view;
  const rows = rowsOf(view);
  const head = [`heapwarden ${status?.version ?? ''} at ${url}: ${summaryOf(rows)}; ${savedWords(view)}`];
  const troubles = [...(status ? troublesOf(status) : []), ...missingOf(view)];
  const past = incidents.slice(0, INCIDENTS).map((incident) => {
    const [tone, result] = resultOf(incident);
    const told = [incident.sentence, ...(incident.outcome ? [incident.outcome.sentence] : [])].join(' → ');
    return `${timeOrDay(incident.timestamp_seconds, nowMs)}  ${paint(result.padEnd(11), tone, look)}  ${clean(told, look)}`;
  });
  const advice = adviceLine(view, null);
  const table = rows.length > 0 ? tableLines(monitorColumns(rows, look), look) : apps.length === 0 ? [NOTHING] : [];
  return [
    ...head.map((line) => clean(line, look)),
    ...troubles.map((trouble) => paint(clean(trouble, look), 'critical', look)),
    ...(table.length === 0 ? [] : ['', ...table]),
    ...(past.length === 0 ? [] : ['', ...past]),
    ...(advice === null ? [] : ['', clean(`advice: ${advice}`, look)]),
  ];
}

function monitorColumns(rows: readonly Row[], look: Look): Column[] {
  const [name, state] = nameAndState(rows);
  const hour: Column = { title: 'LAST HOUR', cells: rows.map((row) => ({ text: memoryLine(row, SPARK, look), style: row.tone })) };
  return [name, state, hour, ...figureColumns(rows)];
}

function nameAndState(rows: readonly Row[]): [Column, Column] {
  return [
    { title: 'WORKER', cells: rows.map(({ key }) => ({ text: key })) },
    { title: 'STATE', cells: rows.map(({ state, tone }) => ({ text: state, style: tone })) },
  ];
}

function figureColumns(rows: readonly Row[], without: readonly string[] = []): Column[] {
  return FIGURES.filter(({ title }) => !without.includes(title)).map(({ title, align, text }) => ({
    title,
    align,
    cells: rows.map((row) => ({ text: text(row) })),
  }));
}

/** What runs: the apps and their workers, as a table. */
export function appLines(apps: NonNullable<View['apps']>, look: Look): string[] {
  const rows = rowsOf({ apps, histories: new Map() });
  const empty = missingOf({ apps }).map((line) => clean(line, look));
  if (rows.length === 0) return empty.length > 0 ? empty : ['no app is configured, and no agent reports in'];
  const of = (title: string, text: (row: Row) => string, align: 'left' | 'right' = 'left'): Column => ({
    title,
    align,
    cells: rows.map((row) => ({ text: text(row) })),
  });
  // GC is told by the history alone.
  const columns = [
    ...nameAndState(rows),
    ...figureColumns(rows, ['GC']),
    of('PID', ({ worker }) => String(worker.pid ?? '–'), 'right'),
    of('NODE', ({ worker }) => worker.node_version ?? '–'),
    of('BY', ({ app }) => app.supervisor),
    of('RESTARTS LEFT', ({ app }) => (app.restart_budget ? `${app.restart_budget_remaining} of ${app.restart_budget.count}` : '–')),
  ];
  return [...tableLines(columns, look), ...empty];
}

