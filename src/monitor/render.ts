/** Pure: the whole screen, as lines. */
import { clean, cutTo, fit, paint, widthOf, wrap, type Look, type Style } from './cells.js';
import { chart } from './sparkline.js';
import { adviceLine, gcOf, missingOf, rowsOf, selectedIndex, summaryOf, troublesOf, type Row, type View } from './view.js';
import { bytes, delay, elapsed, gateWords, heapShare, memoryWords, percent, resultOf, timeOf, timeOrDay } from './words.js';
import { FIGURES, memoryLine, topOf, widthsOf } from './worker-columns.js';
import { formatBytes } from '../units.js';

export interface Size {
  columns: number;
  rows: number;
}

/** At most `rows` lines of at most `columns` cells. */
export function render(view: View, { columns, rows }: Size, look: Look): string[] {
  const page = new Page(columns, look);
  const workers = rowsOf(view);
  const head = headOf(view, workers, page);
  if (view.help) return [...head, '', ...HELP.map((line) => page.line(line))].slice(0, rows);
  if (!view.status) return [...head, ...waitingLines(view, page)].slice(0, rows);
  const nothing = view.apps?.length === 0 ? ['', ...page.lines(NOTHING, 3)] : [];
  if (workers.length === 0) return [...head, ...nothing].slice(0, rows);
  const index = selectedIndex(workers, view);
  const room = rows - head.length - FOOT;
  const inList = Math.min(workers.length, Math.max(1, room - LEAST_BELOW));
  const below = room - inList - 1;
  const list = listOf(workers, index, inList, page);
  const foot = [...adviceOf(view, workers[index]!, page), page.line(KEYS, 'soft')];
  if (below < 2) return [...head, ...list, ...foot].slice(0, rows);
  const kept = 1 + Math.min(Math.max(1, view.incidents?.length ?? 0), LEAST_INCIDENTS);
  const detail = detailOf(view, workers[index]!, below - kept, page);
  const incidents = incidentLines(view, below - detail.length - 1, page);
  const filled = [...head, ...list, ...detail, ...incidents];
  const gap = Array<string>(Math.max(0, rows - filled.length - foot.length)).fill('');
  return [...filled, ...gap, ...foot].slice(0, rows);
}

const KEYS = ' q quit   ↑↓ j k select   t hour/day   ? help';
/** The line of advice and the keys. */
const FOOT = 2;
/** Lines of the detail and the incidents that workers leave room for. */
const LEAST_BELOW = 11;
const LEAST_INCIDENTS = 3;
export const NOTHING = 'no app is configured, and no agent reports in. Write a config file: heapwarden init';
const HELP = [
  ' ↑ ↓ j k      the worker before, the next one',
  ' PgUp PgDn    ten at a time',
  ' g G          the first, the last; also Home and End',
  ' t            the last hour, the last 24 hours',
  ' ?            this help',
  ' q Ctrl-C     quit',
  '',
  ' MEMORY  resident; its line goes from 0 to the restart limit, or its own peak where it has none',
  ' HEAP    used, of what V8 may use',
  ' DELAY   of the event loop, 99th percentile',
  ' GC      share of the time that garbage collections take',
];

/** Lines of one width. */
class Page {
  constructor(
    readonly width: number,
    readonly look: Look,
  ) {}

  clean(text: string): string {
    const arrows = this.look.unicode ? text : text.replace('↑↓ ', '').replace('↑ ↓ ', '');
    return clean(arrows, this.look);
  }

  line(text: string, style: Style | null = null): string {
    return paint(cutTo(this.clean(text), this.width, this.look), style, this.look);
  }

  /** Indented by one. */
  lines(text: string, most: number, style: Style | null = null): string[] {
    return wrap(this.clean(text.trimStart()), this.width - 1, most, this.look).map((line) => paint(` ${line}`, style, this.look));
  }

  /** `right` is kept whole where there is room for it. */
  ends(left: string, right: string, styles: [Style | null, Style | null]): string {
    const end = this.clean(right);
    const room = this.width - widthOf(end) - 2;
    if (room < 12) return this.line(left, styles[0]);
    return `${paint(fit(this.clean(left), room, this.look), styles[0], this.look)} ${paint(end, styles[1], this.look)}`;
  }

  title(text: string): string {
    const words = cutTo(` ${this.clean(text)} `, this.width - 2, this.look);
    const rule = (this.look.unicode ? '─' : '-').repeat(Math.max(0, this.width - widthOf(words) - 1));
    return paint(`${this.look.unicode ? '─' : '-'}${words}${rule}`, 'soft', this.look);
  }
}

function headOf(view: View, workers: readonly Row[], page: Page): string[] {
  const { status, url, nowMs, lost } = view;
  const name = ` heapwarden${status ? ` ${status.version}` : ''} at ${url}`;
  const first = page.ends(name, `${lost === null && status ? 'live  ' : ''}${timeOf(nowMs / 1000)}`, ['strong', lost === null ? 'good' : 'critical']);
  if (!status) return [first];
  const second = page.ends(` ${summaryOf(workers)}`, savedWords(view), [null, status.state_writable ? 'soft' : 'critical']);
  const silent = lost === null ? silenceOf(view) : `${lost}; what is shown is old, trying again ...`;
  const trouble = [silent, ...troublesOf(status), ...missingOf(view)].filter((words) => words !== null);
  return [first, second, ...(trouble.length === 0 ? [] : page.lines(trouble.join('. '), 2, 'critical'))];
}

export function savedWords({ status, nowMs, heardAtMs }: Pick<View, 'status' | 'nowMs' | 'heardAtMs'>): string {
  if (!status) return '';
  if (!status.state_writable) return 'state NOT written';
  const { history_saved_seconds: saved } = status;
  if (saved === null) return 'state not saved yet';
  // By the warden's clock; ours may differ.
  const ago = status.now_seconds - saved + (nowMs - (heardAtMs ?? nowMs)) / 1000;
  return `state saved ${elapsed(Math.max(0, ago))} ago`;
}

/** It tells something with each measurement; three that fail to come are no accident. */
function silenceOf({ status, heardAtMs, nowMs }: View): string | null {
  if (!status || heardAtMs === null) return null;
  const silentMs = nowMs - heardAtMs;
  if (silentMs < Math.max(10_000, 3000 * status.sample_interval_seconds)) return null;
  return `no word from heapwarden for ${elapsed(silentMs / 1000)}; what is shown is old`;
}

function waitingLines({ url, lost, remedy = null }: View, page: Page): string[] {
  if (lost === null) return ['', ...page.lines(`waiting for the heapwarden at ${url} ...`, 3)];
  const next = [remedy, 'Trying again ...'].filter((words) => words !== null).join('. ');
  return ['', ...page.lines(lost, 4, 'critical'), ...page.lines(next, 3)];
}

function listOf(workers: readonly Row[], index: number, count: number, page: Page): string[] {
  const { look, width } = page;
  const names = workers.map(({ key }) => page.clean(key));
  const states = workers.map(({ state }) => page.clean(state));
  const figures = FIGURES.map((figure) => {
    const texts = workers.map((row) => page.clean(figure.text(row)));
    return { ...figure, texts, width: texts.reduce((most, text) => Math.max(most, text.length), Math.max(figure.least, figure.title.length)) };
  });
  const fixed = 1 + figures.reduce((sum, figure) => sum + figure.width + 1, 0);
  const isCut = count < workers.length;
  const longest = isCut ? [`WORKER ${workers.length}-${workers.length}/${workers.length}`] : [];
  const widths = widthsOf([...names, ...longest], states, width - fixed);
  const line = (name: string, state: string, spark: string, texts: readonly string[]): string[] =>
    [fit(name, widths.name, look), fit(state, widths.state, look), fit(spark, widths.spark, look), ...figures.map((figure, i) => fit(texts[i]!, figure.width, look, 'right'))];
  const first = Math.min(Math.max(0, index - Math.floor(count / 2)), workers.length - count);
  const shown = isCut ? `WORKER ${first + 1}-${first + count}/${workers.length}` : 'WORKER';
  // Where it is too narrow, what stands at the right is cut off; colours are put in after that.
  const drawn = (cells: string[], marker: string, styles: readonly (Style | null)[]): string => {
    let room = width - 1;
    const parts = cells.map((cell, i) => {
      const text = cutTo(i === 0 ? cell : ` ${cell}`, room, look);
      room -= widthOf(text);
      return paint(text, styles[i] ?? null, look);
    });
    return (marker + parts.join('')).trimEnd();
  };
  const title = paint(drawn(line(shown, 'STATE', '', figures.map((figure) => figure.title)), ' ', []), 'soft', look);
  const rows = workers.slice(first, first + count).map((row, i) => {
    const at = first + i;
    const cells = line(nameIn(widths.name, row, page), states[at]!, memoryLine(row, widths.spark, look), figures.map(({ texts }) => texts[at]!));
    const isSelected = at === index;
    const marker = isSelected ? (look.unicode ? '▸' : '>') : ' ';
    return drawn(cells, marker, [isSelected ? 'selected' : null, row.tone, row.tone, row.tone === 'good' ? null : row.tone]);
  });
  return [title, ...rows];
}

/** Cut where it does not fit; but for its slot, by which it differs from its neighbours. */
function nameIn(width: number, { app, worker }: Row, page: Page): string {
  const slot = page.clean(`/${worker.worker}`);
  const name = page.clean(app.app);
  const room = width - widthOf(slot);
  return room > 1 ? cutTo(name, room, page.look) + slot : name + slot;
}

function detailOf(view: View, row: Row, room: number, page: Page): string[] {
  if (room < 2) return [];
  const { worker, app, key } = row;
  const facts = [
    key,
    row.state,
    worker.pid !== null && `pid ${worker.pid}`,
    worker.node_version !== null && `Node.js ${worker.node_version}`,
    app.supervisor !== 'none' && app.supervisor,
    worker.uptime_seconds !== null && `up ${elapsed(worker.uptime_seconds)}`,
  ].filter((fact) => typeof fact === 'string');
  const title = page.title(facts.join(' · '));
  const texts = [memoryWords(worker, app), runtimeWords(row), gateWords(worker, app), foundWords(view, row)].filter((text) => text !== null);
  const lines: string[] = [];
  texts.forEach((text, i) => lines.push(...page.lines(text, Math.min(2, room - 1 - lines.length - (texts.length - 1 - i)))));
  const left = room - 1 - lines.length;
  return [title, ...lines.slice(0, room - 1), ...(left >= LEAST_CHART && page.width >= LEAST_CHART_WIDTH ? chartLines(row, view, Math.min(left, MOST_CHART), page) : [])];
}

const LEAST_CHART = 4;
const LEAST_CHART_WIDTH = 30;
const MOST_CHART = 16;
const AXIS = 9;

function chartLines(row: Row, { range }: View, rows: number, { width, look }: Page): string[] {
  const top = topOf(row);
  const rowsOfChart = rows - 1;
  const drawn = chart(row.history?.resident_memory_bytes ?? [], { width: width - AXIS - 2, rows: rowsOfChart, top }, look);
  const bar = look.unicode ? '│' : '|';
  const lines = drawn.map((line, i) => {
    const label = i === 0 ? formatBytes(top) : i === rowsOfChart - 1 ? '0 B' : '';
    return `${paint(`${label.padStart(AXIS)}${bar}`, 'soft', look)}${paint(line.trimEnd(), row.tone === 'good' ? 'notice' : row.tone, look)}`;
  });
  const ago = range === '1h' ? '1 hour ago' : '24 hours ago';
  return [...lines, paint(`${' '.repeat(AXIS + 1)}${ago}${'now'.padStart(Math.max(4, width - AXIS - 2 - ago.length))}`, 'soft', look)];
}

function runtimeWords(row: Row): string {
  const { worker } = row;
  if (worker.heap_used_bytes === null) return 'no agent reports: heap, event loop and GC are not known (heapwarden attach PID)';
  const parts = [
    `heap ${bytes(worker.heap_used_bytes)} of ${bytes(worker.heap_limit_bytes)} (${percent(heapShare(worker))})`,
    worker.heap_live_bytes !== null && `live ${bytes(worker.heap_live_bytes)}`,
    worker.external_memory_bytes !== null && `external ${bytes(worker.external_memory_bytes)}`,
    `loop delay ${delay(worker.eventloop_lag_p99_seconds)}, ${percent(worker.eventloop_utilization_ratio)} busy`,
    `GC ${percent(gcOf(row))}`,
    worker.standstill !== null && `its agent is silent: ${worker.standstill}`,
  ];
  return parts.filter((part) => typeof part === 'string').join(', ');
}

/** What its last incident came to: what the evidence names, and the last line of what its restart command wrote. */
function foundWords({ incidents = [] }: View, { app, worker }: Row): string | null {
  const last = incidents.find((incident) => incident.app === app.app && incident.worker === worker.worker && incident.action !== 'refuse');
  const found = last?.outcome?.evidence?.finding ?? last?.death?.evidence?.finding;
  const wrote = last?.outcome?.command?.output.trimEnd().split('\n').at(-1);
  const parts = [found && `found: ${found}`, wrote && `its restart command wrote: ${wrote}`].filter((part) => typeof part === 'string' && part !== '');
  return parts.length === 0 ? null : parts.join('; ');
}

function incidentLines({ incidents = [], nowMs }: View, most: number, page: Page): string[] {
  const title = page.title('incidents, newest first');
  if (incidents.length === 0) return [title, page.line(' nothing was restarted or refused, nothing died', 'soft')];
  const lines = incidents.slice(0, most).map((incident) => {
    const [tone, result] = resultOf(incident);
    const time = ` ${timeOrDay(incident.timestamp_seconds, nowMs)} `;
    const word = fit(page.clean(result), 12, page.look);
    const outcome = incident.outcome ? ` → ${incident.outcome.sentence}` : '';
    const room = page.width - time.length - word.length;
    if (room < 10) return page.line(`${time}${word}`, tone);
    return `${paint(time, 'soft', page.look)}${paint(word, tone, page.look)}${cutTo(page.clean(incident.sentence + outcome), room, page.look)}`;
  });
  return [title, ...lines];
}

function adviceOf(view: View, row: Row, page: Page): string[] {
  if (!view.advice) return [''];
  const advice = adviceLine(view, row);
  return [advice === null ? page.line(' advice: nothing to change', 'soft') : page.line(` advice: ${advice}`, 'notice')];
}
