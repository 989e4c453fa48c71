/** Pure: what became of a restart. */
import type { AppConfig } from '../config/schema.js';
import { describeValue, limitOf, measure } from '../decide/measure.js';
import type { WorkerState } from '../observe/tracker.js';
import { formatBytes, formatElapsed } from '../units.js';
import type { Incident, Measurement, Outcome, Result } from './incident.js';

/** `rssBytes` is what the app's limits mean by it: the tree's, or the process's own where `memory: process`. */
export function measurementOf(worker: WorkerState, app: AppConfig | null): Measurement | null {
  const { reading, agent } = worker;
  if (!reading) return null;
  return {
    pid: reading.root.pid,
    start: reading.root.start,
    startedAtMs: reading.startedAtMs,
    rssBytes: measure(worker, 'rss', app?.memory ?? 'tree') ?? reading.treeRssBytes,
    heapUsedBytes: agent?.stats?.heap_used ?? null,
    heapLimitBytes: agent?.stats?.heap_limit ?? null,
    heartbeatAtMs: agent?.heartbeatAtMs ?? null,
  };
}

export interface Findings {
  /** The worker now; null where its app is no longer configured. */
  now: WorkerState | null;
  ready: boolean;
  stop: Outcome['stop'];
  /** What the supervisor said when it failed. */
  error: string | null;
  interrupted: boolean;
}

export function judgeOutcome(incident: Incident, app: AppConfig | null, findings: Findings, nowMs: number): Outcome {
  const { now, stop, interrupted } = findings;
  const [result, why] = resultOf(incident, app, findings);
  const name = `${incident.app}/${incident.worker}`;
  const died = interrupted ? ' (heapwarden itself was stopped in the middle; this is what it found when it came back)' : '';
  const sentence = `${name}: ${why(nowMs - incident.atMs)}${died}`;
  return { atMs: nowMs, result, sentence, stop, after: now && measurementOf(now, app), interrupted };
}

type Why = (tookMs: number) => string;

function resultOf(incident: Incident, app: AppConfig | null, { now, ready, stop, error }: Findings): [Result, Why] {
  const { before } = incident;
  if (error !== null) return ['failed', () => `the restart failed: ${error}`];
  if (now?.reading && before && now.reading.root.pid === before.pid && now.reading.root.start === before.start) {
    return ['failed', () => `the restart failed: the old process (pid ${before.pid}) still runs`];
  }
  if (!now?.reading) return ['not_ready', (took) => `${formatElapsed(took)} after the restart no process runs in its place`];
  if (!ready) return ['not_ready', (took) => `the new process (pid ${now.reading!.root.pid}) was not ready ${formatElapsed(took)} after the restart was decided`];
  const line = app && (limitOf(app, 'rss', 'critical') ?? limitOf(app, 'rss', 'restart'));
  const rss = app && measure(now, 'rss', app.memory);
  if (incident.asked === 'rss' && line !== null && rss !== null && rss >= line) {
    return ['ineffective', () => `restarted, but its memory is ${describeValue('rss', rss)} again already, above the critical line of ${describeValue('rss', line)}`];
  }
  return ['recovered', (took) => `restarted in ${formatElapsed(took)}${stop === 'killed' ? ' (the old process had to be killed)' : ''}${memoryWords(before, measurementOf(now, app))}`];
}

function memoryWords(before: Measurement | null, after: Measurement | null): string {
  return before && after ? `; memory ${formatBytes(before.rssBytes)} before, ${formatBytes(after.rssBytes)} after` : '';
}
