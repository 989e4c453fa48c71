/** Pure: what the page says of a worker, and of all of them. */
import type { Resource } from '../../config/schema.js';
import type { AppStatus, WorkerStatus } from '../../publish/app-shape.js';
import { missingWords } from '../../publish/missing-words.js';
import { formatBytes, formatElapsed } from '../../units.js';

/** A time on an axis whose ticks are so many seconds apart. */
export function clock(atSeconds: number, stepSeconds: number): string {
  const second = stepSeconds < 60 ? ({ second: '2-digit' } as const) : {};
  return new Date(ms(atSeconds)).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...second });
}

export const ms = (seconds: number): number => seconds * 1000;

/** To the minute, and from two days on to the hour: a forecast is no more exact. */
export function roughly(seconds: number): string {
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

const RESOURCE_WORDS: Record<Resource, string> = { rss: 'memory', heap: 'heap', freeze: 'event loop', uptime: 'uptime' };

export type Tone = 'good' | 'notice' | 'warning' | 'critical' | 'down';

/** One word for the state of a worker, and how loud it is. */
export function stateOf(worker: WorkerStatus, app: AppStatus): [Tone, string] {
  if (worker.restarting) return ['notice', 'restarting'];
  if (worker.state === 'starting') return ['notice', 'starting'];
  if (!worker.up) return ['down', worker.state === 'crash_loop' ? 'crash loop' : worker.state];
  const levels = Object.entries(worker.levels) as [Resource, string][];
  const at = (level: string): string => levels.filter(([, reached]) => reached === level).map(([resource]) => RESOURCE_WORDS[resource]).join(', ');
  if (at('restart')) return ['critical', `over its limit: ${at('restart')}`];
  if (at('critical')) return ['critical', `critical: ${at('critical')}`];
  if (at('warning')) return ['warning', `warning: ${at('warning')}`];
  if (worker.blocked.includes('ineffective')) return ['warning', 'restarts do not help'];
  return app.managed ? ['good', 'normal'] : ['notice', 'only shown'];
}

export function summaryOf(apps: readonly AppStatus[]): string {
  const workers = apps.flatMap((app) => app.workers.map((worker) => ({ worker, tone: stateOf(worker, app)[0] })));
  const count = (...tones: string[]): number => workers.filter(({ tone }) => tones.includes(tone)).length;
  const parts = [`${workers.filter(({ worker }) => worker.up).length} of ${workers.length} workers up`];
  if (count('critical') > 0) parts.push(`${count('critical')} critical`);
  if (count('warning') > 0) parts.push(`${count('warning')} near a limit`);
  const missing = apps.filter((app) => missingWords(app) !== null).length;
  if (missing > 0) parts.push(`${missing} ${missing === 1 ? 'app' : 'apps'} without a worker`);
  return parts.join(', ');
}

export const bytes = (value: number | null): string => (value === null ? '–' : formatBytes(value));
export const elapsed = (seconds: number | null): string => (seconds === null ? '–' : formatElapsed(ms(seconds)));
/** Of the event loop. */
export function delay(seconds: number | null): string {
  if (seconds === null) return '–';
  return seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(1)} s`;
}

export const percent = (ratio: number | null): string => (ratio === null ? '–' : `${(ratio * 100).toFixed(ratio < 0.1 ? 1 : 0)} %`);

export function time(seconds: number): string {
  return new Date(ms(seconds)).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}
