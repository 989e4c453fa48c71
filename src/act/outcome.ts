/** Pure: what became of a restart. */
import type { AppConfig } from '../config/schema.js';
import { RESOURCE_NAMES, describeValue, limitOf, measure } from '../decide/measure.js';
import { sameProcess } from '../observe/identity.js';
import type { WorkerState } from '../observe/tracker.js';
import { formatBytes, formatElapsed } from '../units.js';
import type { CommandReport } from '../supervisors/contract.js';
import type { EvidenceReport } from './evidence/report.js';
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
  /** Milliseconds since the decision, by the clock that never jumps. */
  tookMs: number;
  /** The worker now; null where its app is no longer configured. */
  now: WorkerState | null;
  ready: boolean;
  stop: Outcome['stop'];
  downtimeMs: number | null;
  /** What the supervisor said when it failed; NOT_READY: the new process did not come up, and the old one stays. */
  error: { code: string | null; message: string } | null;
  /** Why nothing was done in the end, its turn having come. */
  needless: string | null;
  interrupted: boolean;
  evidence: EvidenceReport | null;
  /** Of the app's own restart command, where it has one. */
  command: CommandReport | null;
}

export function judgeOutcome(incident: Incident, app: AppConfig | null, findings: Findings, nowMs: number): Outcome {
  const { tookMs, now, stop, downtimeMs, interrupted, evidence, command } = findings;
  const [result, what] = resultOf(incident, app, findings, formatElapsed(tookMs));
  const sentence = `${incident.app}/${incident.worker}: ${what}${interrupted && findings.needless === null ? INTERRUPTED : ''}`;
  const after = now && measurementOf(now, app);
  const outcome = { atMs: nowMs, tookMs, result, sentence, stop, after, downtimeMs, release: null, relapsedAtMs: null, interrupted };
  return { ...outcome, ...(evidence && { evidence }), ...(command && { command }) };
}

const INTERRUPTED = ' (heapwarden itself was stopped in the middle; this is what it found when it came back)';

function resultOf(incident: Incident, app: AppConfig | null, findings: Findings, took: string): [Result, string] {
  const { now, ready, stop, downtimeMs, error, needless, interrupted } = findings;
  const { before } = incident;
  if (needless !== null) return ['cancelled', `nothing was done, ${needless}`];
  if (error?.code === 'NOT_READY') return ['not_ready', `the restart was given up: ${error.message}`];
  if (error !== null) return ['failed', `the restart failed: ${error.message}`];
  if (!now?.reading) return ['not_ready', `${took} after the restart no process runs in its place`];
  const { pid } = now.reading.root;
  if (sameProcess(now.reading.root, before)) {
    return ['failed', `the restart failed: the old process (pid ${pid}) still runs`];
  }
  if (!ready) return ['not_ready', `the new process (pid ${pid}) was not ready ${took} after the restart was decided`];
  const still = stillOver(incident, app, now);
  if (still !== null) return ['ineffective', `restarted, but ${still}`];
  const down = downtimeMs === null ? '' : downtimeMs === 0 ? ' without downtime' : `, ${formatElapsed(downtimeMs)} of it down`;
  const done = interrupted ? `a new process (pid ${pid}) runs` : `restarted in ${took}${down}`;
  const killed = stop === 'killed' ? ' (the old process had to be killed)' : '';
  return ['recovered', `${done}${killed}${memoryWords(before, measurementOf(now, app))}`];
}

/** A leak starts again from below; what is over its line at once needs more than its limit allows. */
function stillOver({ asked }: Incident, app: AppConfig | null, now: WorkerState): string | null {
  if (!app || (asked !== 'rss' && asked !== 'heap')) return null; // a new process is neither frozen nor old
  const level = limitOf(app, asked, 'critical') === null ? 'restart' : 'critical';
  const line = limitOf(app, asked, level);
  const value = measure(now, asked, app.memory);
  if (line === null || value === null || value < line) return null;
  const [is, limit] = [describeValue(asked, value), describeValue(asked, line)];
  return `its ${RESOURCE_NAMES[asked]} is ${is} again already, at or above its ${level} limit of ${limit}`;
}

function memoryWords(before: Measurement | null, after: Measurement | null): string {
  return before && after ? `; memory ${formatBytes(before.rssBytes)} before, ${formatBytes(after.rssBytes)} after` : '';
}
