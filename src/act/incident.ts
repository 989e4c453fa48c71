import { randomBytes } from 'node:crypto';
import type { AlertRef, Decision, Origin, RestartReason } from '../decide/decision.js';
import type { DeathReason } from '../decide/death.js';
import type { Outlook } from '../decide/forecast.js';
import type { Gain } from '../decide/gain.js';
import { sameProcess } from '../observe/identity.js';
import type { CommandReport } from '../supervisors/contract.js';
import type { EvidenceReport } from './evidence/report.js';

export const RESULTS = [
  'recovered', // the new process runs, is ready, and is below the critical line
  'not_ready', // it was started, but did not become ready in time
  'failed', // the supervisor could not do it, or the old process still runs
  'ineffective', // it runs, and is above the critical line already
  'cancelled', // nothing was done: when its turn came, there was no reason for it any more
] as const;
export type Result = (typeof RESULTS)[number];

/** What one process measured at one moment; null where it was not known. Bytes, and milliseconds since the epoch. */
export interface Measurement {
  pid: number;
  start: number;
  startedAtMs: number;
  rssBytes: number;
  heapUsedBytes: number | null;
  heapLimitBytes: number | null;
  heartbeatAtMs: number | null;
}

export interface Outcome {
  atMs: number;
  /** Milliseconds since the decision, by a clock that nobody sets; absent in records of older versions. */
  tookMs?: number;
  result: Result;
  sentence: string;
  /** How the old process went; null where that is not known. */
  stop: 'exited' | 'killed' | 'gone' | null;
  after: Measurement | null;
  /** Milliseconds without a process that was ready: 0 where the new one came first; null where it is not known. */
  downtimeMs: number | null;
  /**
   * What runs since, as a fingerprint (observe/release.ts), of the last of restarts that did not help; null elsewhere, and
   * where it is not known (yet).
   */
  release: string | null;
  /** When the new process was back at its limit within its startup grace; null where it was not. */
  relapsedAtMs: number | null;
  /** The warden died in the middle, and the record was completed by the next one; or it ended before this one's turn. */
  interrupted: boolean;
  /** What was kept of the old process; absent where none was wanted, and in records of older versions. */
  evidence?: EvidenceReport;
  /** How the app's own restart command went; absent where it has none. */
  command?: CommandReport;
}

/** One restart, or one refusal to restart. `outcome` is null while a restart is under way, and for refusals. */
export type Incident = Decision & {
  id: string;
  atMs: number;
  app: string;
  worker: string;
  origin: Origin;
  /** The reason it was asked for; a refusal's own `reason` says why not. */
  asked: RestartReason;
  force: boolean;
  sentence: string;
  alert: AlertRef | null;
  before: Measurement | null;
  /** Where its memory was heading; null where nothing was known of that, absent in records of older versions. */
  outlook?: Outlook | null;
  /** What it had gained since its baseline; null and absent as above. */
  gain?: Gain | null;
  outcome: Outcome | null;
};

/**
 * Whether the process that a restart was for has gone by it, also where none came up in its place, or one was started
 * where none ran: not one that was cancelled, or that failed and left everything as it was.
 */
export function wasCarriedOut(incident: Incident): incident is Incident & { action: 'restart'; outcome: Outcome } {
  const { action, before, outcome } = incident;
  if (action !== 'restart' || !outcome || outcome.result === 'cancelled') return false;
  if (!before && outcome.result === 'failed') return outcome.after !== null; // nothing ran, and nothing was started
  return !sameProcess(outcome.after, before);
}

/** Milliseconds from the decision to its outcome. Of an older version's there is only the time of day to go by. */
export function tookMsOf({ atMs }: Incident, outcome: Outcome): number {
  return outcome.tookMs ?? Math.max(0, outcome.atMs - atMs);
}

/** One process that died for want of memory. Nobody asked for it, and no budget or cooldown counts it. */
export interface Death {
  action: 'death';
  reason: DeathReason;
  id: string;
  atMs: number;
  app: string;
  worker: string;
  sentence: string;
  /** What was last known of it, as of `measuredAtMs`; null where it had not been measured. */
  before: Measurement | null;
  measuredAtMs: number | null;
  /** null where none was wanted. */
  evidence: EvidenceReport | null;
  outcome: null;
}

export type Recorded = Incident | Death;

/** They sort by time. */
export function newId(nowMs: number): string {
  return `${new Date(nowMs).toISOString().replace(/[-:.]/g, '')}-${randomBytes(3).toString('hex')}`;
}

// Counted apart: any alert can cause a refusal, budgets and cooldowns rest on the restarts, and a failure is what a
// person looks for long after.
const REMEMBERED_RESTARTS_PER_APP = 1000;
const REMEMBERED_FAILURES_PER_APP = 1000;
const REMEMBERED_DEATHS_PER_APP = 1000;
const REMEMBERED_REFUSALS = 1000;
/** Of all apps together: 2 to 4 kB of heap each, 40 MB of the 256 MiB that heapwarden gives itself. */
export const MOST_REMEMBERED = 10_000;
/** Of each kind in any case: twice the usual budget. It counts where there are hundreds of apps that restart without end. */
const LEAST_REMEMBERED = 10;

/**
 * What is kept of the past, in its order. Where it is too much, the kinds that there are most of give way: an app that
 * restarts without end never pushes out the few restarts of another, which its budget and its cooldowns rest on. Pure.
 */
export function remembered(oldestFirst: readonly Recorded[]): Recorded[] {
  const sizes = new Map<string, number>();
  for (const incident of oldestFirst) {
    const [kind, most] = kindOf(incident);
    sizes.set(kind, Math.min((sizes.get(kind) ?? 0) + 1, most));
  }
  const share = shareOf([...sizes.values()], MOST_REMEMBERED);
  const counts = new Map<string, number>();
  const isKept = (incident: Recorded): boolean => {
    const [kind, most] = kindOf(incident);
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    return count <= Math.min(most, share);
  };
  return oldestFirst.toReversed().filter(isKept).toReversed();
}

/** How many each may have for all to have no more than `most`. */
function shareOf(sizes: readonly number[], most: number): number {
  let left = most;
  for (const [i, size] of sizes.toSorted((a, b) => a - b).entries()) {
    const share = Math.floor(left / (sizes.length - i));
    if (size > share) return Math.max(LEAST_REMEMBERED, share);
    left -= size;
  }
  return Infinity;
}

function kindOf({ action, app, outcome }: Recorded): [kind: string, most: number] {
  if (action === 'refuse') return ['refusal', REMEMBERED_REFUSALS];
  if (action === 'death') return [`death ${app}`, REMEMBERED_DEATHS_PER_APP];
  const failed = outcome !== null && outcome.result !== 'recovered' && outcome.result !== 'cancelled';
  return failed ? [`failure ${app}`, REMEMBERED_FAILURES_PER_APP] : [`restart ${app}`, REMEMBERED_RESTARTS_PER_APP];
}
