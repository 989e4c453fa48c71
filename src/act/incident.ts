import type { AlertRef, Decision, Origin, RestartReason } from '../decide/decision.js';

export const RESULTS = [
  'recovered', // the new process runs, is ready, and is below the critical line
  'not_ready', // it was started, but did not become ready in time
  'failed', // the supervisor could not do it, or the old process still runs
  'ineffective', // it runs, and is above the critical line already
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
  result: Result;
  sentence: string;
  /** How the old process went; null where that is not known. */
  stop: 'exited' | 'killed' | 'gone' | null;
  after: Measurement | null;
  /** The warden died in the middle, and the record was completed by the next one. */
  interrupted: boolean;
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
  outcome: Outcome | null;
};

// Counted apart, since any alert can cause a refusal, and budgets and cooldowns rest on the restarts.
const REMEMBERED_RESTARTS_PER_APP = 1000;
const REMEMBERED_REFUSALS = 1000;

/** What is kept of the past, in its order. Pure. */
export function remembered(oldestFirst: readonly Incident[]): Incident[] {
  const restartsOf = new Map<string, number>();
  let refusals = 0;
  const isKept = ({ action, app }: Incident): boolean => {
    if (action === 'refuse') return ++refusals <= REMEMBERED_REFUSALS;
    const restarts = (restartsOf.get(app) ?? 0) + 1;
    restartsOf.set(app, restarts);
    return restarts <= REMEMBERED_RESTARTS_PER_APP;
  };
  return oldestFirst.toReversed().filter(isKept).toReversed();
}
