/** Pure: whether the restart limit for resident memory fits what the process needs. */
import { formatBytes } from '../units.js';
import type { Finding, Given } from './finding.js';
import { describeTime } from './forecast.js';
import { roundedUp } from './heap-limit.js';

/** Above this share of the restart limit the baseline alone is nearly a breach; without a leak, so is the most there was. */
const BASELINE_SHARE = 0.8;
const MOST_SHARE = 0.9;
/** Of the most there was in a day or more. */
const FAR_ABOVE = 3;
/** Suggested limits, over the most there was, and over the baseline. */
const ABOVE_MOST = 1.5;
const ABOVE_LEAST = 1.5;

export function limitAdvice(given: Given): Finding[] {
  const { app, footing, pace } = given;
  if (footing.overMs < pace.leak.shortestMs) return [];
  const limit = app.limits.rss?.restart ?? null;
  const finding = limit === null ? noLimit(given) : (tooLow(given, limit) ?? tooHigh(given, limit));
  return finding ? [finding] : [];
}

/** What a leak has added counts for nothing. */
function suggestion({ footing: { least, most }, outlook }: Given): number {
  return roundedUp(outlook?.leak ? 2 * least : Math.max(ABOVE_MOST * most, ABOVE_LEAST * least));
}

const seen = ({ footing: { least, most } }: Given) => ({ baseline_bytes: Math.round(least), most_bytes: most });

function noLimit(given: Given): Finding | null {
  const { footing } = given;
  const suggested = suggestion(given);
  return {
    code: 'no_rss_limit',
    figures: { ...seen(given), suggested_bytes: suggested },
    measuredMs: footing.overMs,
    sentence: `has no restart limit for its memory: ${formatBytes(footing.least)} at the least and ${formatBytes(footing.most)} at the most, over ${describeTime(footing.overMs)}`,
    change: `set limits: { rss: { restart: ${written(suggested)} } }${untilADay(given)}`,
  };
}

function tooLow(given: Given, limit: number): Finding | null {
  const { footing, outlook } = given;
  const isBaseline = footing.least >= BASELINE_SHARE * limit;
  if (!isBaseline && (outlook?.leak || footing.most < MOST_SHARE * limit)) return null;
  const suggested = Math.max(suggestion(given), roundedUp(ABOVE_LEAST * footing.least));
  const what = isBaseline
    ? `needs ${formatBytes(footing.least)} at the least`
    : `had ${formatBytes(footing.most)} at the most and no leak for certain`;
  return {
    code: 'rss_limit_too_low',
    figures: { ...seen(given), rss_limit_bytes: limit, suggested_bytes: suggested },
    measuredMs: footing.overMs,
    sentence: `${what}, over ${describeTime(footing.overMs)}; that is close to its restart limit of ${formatBytes(limit)}, so that restarts do not help for long`,
    change: `set limits: { rss: { restart: ${written(suggested)} } }, or see what it needs the memory for`,
  };
}

/** Only after a day: the load has not shown its highest before. */
function tooHigh(given: Given, limit: number): Finding | null {
  const { footing, outlook, pace } = given;
  if (outlook?.leak || footing.overMs < pace.leak.dayMs || limit < FAR_ABOVE * footing.most) return null;
  const suggested = suggestion(given);
  return {
    code: 'rss_limit_too_high',
    figures: { ...seen(given), rss_limit_bytes: limit, suggested_bytes: suggested },
    measuredMs: footing.overMs,
    sentence: `had ${formatBytes(footing.most)} at the most, over ${describeTime(footing.overMs)}; its restart limit of ${formatBytes(limit)} lets a leak take ${formatBytes(limit - footing.most)} more`,
    change: `set limits: { rss: { restart: ${written(suggested)} } }`,
  };
}

function untilADay({ footing, pace }: Given): string {
  return footing.overMs < pace.leak.dayMs ? '; ask again after a whole day of load' : '';
}

/** As in heapwarden.yml. */
const written = (bytes: number): string => formatBytes(bytes).replace(' ', '');
