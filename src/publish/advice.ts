/** Pure: what to change for an app, as the API tells it. */
import Type, { type Static } from 'typebox';
import { wasCarriedOut, type Incident } from '../act/incident.js';
import { describeLeak } from '../decide/forecast.js';
import type { Advice, AdviceCode, FiguresOf, PastRestart } from '../decide/finding.js';
import { seconds } from './family.js';
import { nullable } from './shape.js';

const AdviceStatus = Type.Object({
  code: Type.Unsafe<AdviceCode>(Type.String()),
  workers: Type.Array(Type.String(), { description: "the figures are the first one's; the others have the same to be said of them" }),
  sentence: Type.String({ description: 'what was measured; its subject is the worker' }),
  change: nullable(Type.String(), 'what to do about it; null where there is nothing to do'),
  measured_seconds: Type.Number({ description: 'the time over which the figures were measured; 0: by one look, now' }),
  figures: Type.Unsafe<FiguresOf[AdviceCode]>(Type.Object({}, { description: 'bytes, seconds, and shares from 0 to 1' })),
});
export type AdviceStatus = Static<typeof AdviceStatus>;

export const AppAdvice = Type.Object({ app: Type.String(), advice: Type.Array(AdviceStatus) });
export type AppAdvice = Static<typeof AppAdvice>;

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
export function pastRestartOf(incident: Incident): PastRestart | null {
  if (!wasCarriedOut(incident)) return null;
  const { id, worker, atMs, asked, before, outcome, outlook } = incident;
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
