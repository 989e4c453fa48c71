/** The words of a decision: the same in a metric's label, a log field, the API's answer and the journal. */

export const RESTART_REASONS = ['rss', 'heap', 'freeze', 'uptime', 'schedule', 'manual'] as const;
export type RestartReason = (typeof RESTART_REASONS)[number];

export const REFUSALS = [
  'unknown_app', // no such app or worker in the config
  'unmanaged', // its agent reports in, but no supervisor is configured for it
  'paused', // a person has paused it
  'dry_run', // would restart, but may not touch anything
  'in_progress', // this worker is being restarted already
  'duplicate', // this very alert has led to a restart already
  'already_restarted', // the process is younger than the alert
  'not_breaching', // measured again, now: below the limit
  'stale', // the alert was over before it arrived
  'outside_window', // a maintenance window has to open first
  'startup_grace', // the process has only just started
  'cooldown', // this worker was restarted, or that was tried, a short while ago
  'budget', // the app has used up its restarts
  'min_available', // too few other workers are up
  'ineffective', // the last restarts did not help
] as const;
export type Refusal = (typeof REFUSALS)[number];

export type Reason = RestartReason | Refusal;

export type Decision = { action: 'restart'; reason: RestartReason } | { action: 'refuse'; reason: Refusal };

/** Who asks. `guard` is heapwarden's own judgement, `api` a person or a program with the token. */
export const ORIGINS = ['guard', 'alertmanager', 'api', 'schedule'] as const;
export type Origin = (typeof ORIGINS)[number];

export interface AlertRef {
  fingerprint: string;
  /** Milliseconds since the Unix epoch, as all times here. */
  startsAtMs: number;
  /** null while the alert has no end. */
  endsAtMs: number | null;
}

/** Whether this alert is over with the resolved one: the same, and not one that began anew since. */
export function endsWith(alert: AlertRef | null, resolved: AlertRef): boolean {
  if (alert?.fingerprint !== resolved.fingerprint) return false;
  return alert.startsAtMs <= (resolved.endsAtMs ?? resolved.startsAtMs);
}

/** A request to restart one worker. */
export interface Ask {
  app: string;
  worker: string;
  reason: RestartReason;
  origin: Origin;
  /** A person takes the responsibility: only what would do harm outright is refused. */
  force: boolean;
  /** Decide and record, touch nothing. */
  dryRun: boolean;
  alert: AlertRef | null;
  /** The cron time that is meant, where a schedule asks; else null. */
  dueAtMs: number | null;
}

/** Who wants it, and how much. */
export type Wish = Pick<Ask, 'origin' | 'reason' | 'force'>;

/** A person's word, or a program's that speaks for one: it claims no limit, or passes over all gates. */
export function isByPerson({ origin, reason, force }: Wish): boolean {
  return force || (origin === 'api' && reason === 'manual');
}
