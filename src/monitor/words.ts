/** Pure: what the terminal says of a worker. */
import { describeCompanion, describeTime } from '../decide/forecast.js';
import type { IncidentStatus } from '../publish/incident-shape.js';
import { forecastWords, leakWords } from '../publish/leak-words.js';
import type { AppStatus, WorkerStatus } from '../publish/app-shape.js';
import { formatBytes, formatDuration } from '../units.js';
import type { Style } from './cells.js';

export type Tone = Extract<Style, 'good' | 'notice' | 'warning' | 'critical' | 'down'>;

/** A few words for the state of a worker, and how loud it is. */
export function stateOf(worker: WorkerStatus, { managed }: AppStatus): [Tone, string] {
  if (worker.restarting) return ['notice', 'restarting'];
  if (worker.state === 'starting') return ['notice', 'starting'];
  if (!worker.up) return ['down', worker.state === 'crash_loop' ? 'crash loop' : worker.state];
  const levels = Object.entries(worker.levels);
  const at = (level: string): string => levels.filter(([, reached]) => reached === level).map(([resource]) => resource).join(',');
  if (at('restart')) return ['critical', `at limit ${at('restart')}`];
  if (at('critical')) return ['critical', `critical ${at('critical')}`];
  if (at('warning')) return ['warning', `warning ${at('warning')}`];
  if (worker.blocked.includes('ineffective')) return ['warning', 'restarts do not help'];
  if (worker.blocked.includes('paused')) return ['notice', 'paused'];
  return managed ? ['good', 'normal'] : ['notice', 'only shown'];
}

const NONE = '–';

export const bytes = (value: number | null | undefined): string => (value === null || value === undefined ? NONE : formatBytes(value));
/** To the second, from a minute on to the minute. */
export function elapsed(seconds: number | null): string {
  if (seconds === null) return NONE;
  return seconds < 60 ? `${Math.floor(seconds)} s` : describeTime(seconds * 1000);
}

export const percent = (ratio: number | null): string => (ratio === null ? NONE : `${(ratio * 100).toFixed(ratio < 0.0995 && ratio > 0 ? 1 : 0)}%`);

/** Of the event loop. */
export function delay(seconds: number | null): string {
  if (seconds === null) return NONE;
  return seconds < 0.9995 ? `${(seconds * 1000).toFixed(seconds < 0.00995 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`;
}

export function heapShare({ heap_used_bytes: used, heap_limit_bytes: limit }: WorkerStatus): number | null {
  return used === null || !limit ? null : used / limit;
}

export const roughly = (seconds: number): string => describeTime(Math.max(60, seconds) * 1000);

/** Memory with its limits, and where it is heading. */
export function memoryWords(worker: WorkerStatus, app: AppStatus): string {
  const { resident_memory_bytes: memory } = worker;
  const { warning, critical, restart } = app.limits.rss ?? {};
  const share = restart === undefined || memory === null ? '' : ` (${percent(memory / restart)})`;
  const lower = [['warning', warning], ['critical', critical]] as const;
  const levels = lower.flatMap(([level, at]) => (at === undefined ? [] : [`${level} ${formatBytes(at)}`]));
  const of = restart === undefined ? ', no restart limit' : ` of ${formatBytes(restart)}${share}`;
  return [`${bytes(memory)}${of}`, ...levels, forecastWords(worker, restart, roughly), leakWords(worker, describeCompanion)].filter((part) => part !== null).join(', ');
}

/** What holds automatic restarts back, or will; null where nothing does. */
export function gateWords(worker: WorkerStatus, app: AppStatus): string | null {
  const { restart_budget_remaining: left, restart_budget: budget } = app;
  const until = app.paused?.until_seconds;
  const parts = [
    !app.managed && 'only shown: it is not in the config',
    app.paused && `paused ${until ? `until ${timeOf(until)}` : 'until it is resumed'}`,
    app.dry_run && 'dry run: nothing is restarted',
    worker.blocked.includes('outside_window') && 'outside its restart windows',
    worker.blocked.includes('ineffective') && `restarts did not help; allow them again: heapwarden resume ${app.app}`,
    worker.cooldown_seconds > 0 && `cooldown ${elapsed(worker.cooldown_seconds)}`,
    left !== null && budget && `${left} of ${budget.count} restarts left in ${formatDuration(budget.window_seconds * 1000)}`,
  ].filter((part): part is string => typeof part === 'string');
  return parts.length === 0 ? null : parts.join(', ');
}

/** What came of it, in a word. */
export function resultOf({ action, outcome }: IncidentStatus): [Tone, string] {
  if (action === 'refuse') return ['warning', 'refused'];
  if (action === 'death') return ['down', 'died'];
  if (!outcome) return ['notice', 'under way'];
  if (outcome.result === 'recovered') return outcome.relapsed_timestamp_seconds === null ? ['good', 'recovered'] : ['warning', 'relapsed'];
  return [outcome.result === 'cancelled' ? 'notice' : 'critical', outcome.result.replace('_', ' ')];
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Local time of day. */
export function timeOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
}

/** Of something that may be days ago: the time today, else the day; eight cells. */
export function timeOrDay(seconds: number, nowMs: number): string {
  const date = new Date(seconds * 1000);
  if (date.toDateString() === new Date(nowMs).toDateString()) return timeOf(seconds);
  return date.toLocaleDateString('en', { month: 'short', day: '2-digit' }).padEnd(8);
}
