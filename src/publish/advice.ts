/** Pure: what to change for an app, as the API tells it. */
import type { Incident } from '../act/incident.js';
import { describeLeak } from '../decide/forecast.js';
import type { Advice, AdviceCode, FiguresOf, PastRestart } from '../decide/finding.js';
import { seconds } from './family.js';

export interface AdviceStatus {
  code: AdviceCode;
  /** The figures are the first one's; the others have the same to be said of them. */
  workers: string[];
  /** What was measured; its subject is the worker. */
  sentence: string;
  /** What to do about it; null where there is nothing to do. */
  change: string | null;
  /** The time over which the figures were measured; 0: by one look, now. */
  measured_seconds: number;
  /** Bytes, seconds, and shares from 0 to 1; see decide/finding.ts. */
  figures: FiguresOf[AdviceCode];
}

export interface AppAdvice {
  app: string;
  advice: AdviceStatus[];
}

export function appAdvice(app: string, advice: readonly Advice[]): AppAdvice {
  const status = ({ code, workers, sentence, change, measuredMs, figures }: Advice): AdviceStatus => ({
    code,
    workers,
    sentence,
    change,
    measured_seconds: Math.round(seconds(measuredMs)),
    figures,
  });
  return { app, advice: advice.map(status) };
}

/** A restart that was carried out, and how the process ended that it was for; null for all other incidents. */
export function pastRestartOf({ action, id, worker, atMs, asked, before, outcome, outlook }: Incident): PastRestart | null {
  if (action !== 'restart' || !outcome || outcome.result === 'cancelled') return null;
  return {
    id,
    worker,
    atMs,
    asked,
    ranMs: before && Math.max(0, atMs - before.startedAtMs),
    beforeBytes: before?.rssBytes ?? null,
    afterBytes: outcome.after?.rssBytes ?? null,
    leak: outlook ? describeLeak({ ...outlook, forecastMs: null }) : null,
    finding: outcome.evidence?.finding ?? null,
    folder: outcome.evidence?.folder ?? null,
  };
}
