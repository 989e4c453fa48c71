/** Pure: whether the restart limit for resident memory fits what the process needs. */
import { formatBytes } from '../units.js';
import type { Finding, Given } from './finding.js';
import { describeTime } from './forecast.js';
import { roundedUp } from './heap-limit.js';
import { rssLimitSetting } from './settings.js';

/** Of the restart limit: a baseline above it is nearly a breach; and so is the most of a whole day without a leak. */
const BASELINE_SHARE = 0.8;
const MOST_SHARE = 0.9;
/** Of the most there was in a day or more. */
const FAR_ABOVE = 3;
/** A limit over the most there was; and over the baseline, where the most is a leak's. */
const ABOVE_MOST = 1.5;
const ABOVE_LEAST = 2;

export function limitAdvice(given: Given): Finding[] {
  const { app, footing, pace } = given;
  if (footing.overMs < pace.leak.shortestMs) return [];
  const limit = app.limits.rss?.restart ?? null;
  const finding = limit === null ? noLimit(given) : (tooLow(given, limit) ?? tooHigh(given, limit));
  return finding ? [finding] : [];
}

const suggestion = ({ footing: { least, most }, outlook }: Given): number =>
  roundedUp(outlook?.leak ? ABOVE_LEAST * least : ABOVE_MOST * most);

const seen = ({ footing: { least, most } }: Given): { baseline_bytes: number; most_bytes: number } => ({
  baseline_bytes: Math.round(least),
  most_bytes: Math.round(most),
});

const atLeastAndMost = ({ footing: { least, most, overMs } }: Given): string =>
  `${formatBytes(least)} at the least and ${formatBytes(most)} at the most, over ${describeTime(overMs)}`;

function noLimit(given: Given): Finding {
  const suggested = suggestion(given);
  const { footing, pace } = given;
  const later = footing.overMs < pace.leak.dayMs ? '; ask again after a whole day of load' : '';
  return {
    code: 'no_rss_limit',
    figures: { ...seen(given), suggested_bytes: suggested },
    measuredMs: footing.overMs,
    sentence: `has no restart limit for its memory: it had ${atLeastAndMost(given)}`,
    change: `set ${rssLimitSetting(suggested)}${later}`,
  };
}

function tooLow(given: Given, limit: number): Finding | null {
  const { footing, outlook, pace } = given;
  const isBaseline = footing.least >= BASELINE_SHARE * limit;
  const isLoad = !outlook?.leak && footing.overMs >= pace.leak.dayMs && footing.most >= MOST_SHARE * limit;
  if (!isBaseline && !isLoad) return null;
  const suggested = suggestion(given);
  const leak = outlook?.leak ? '' : ', without a leak for certain';
  return {
    code: 'rss_limit_too_low',
    figures: { ...seen(given), rss_limit_bytes: limit, suggested_bytes: suggested },
    measuredMs: footing.overMs,
    sentence:
      `had ${atLeastAndMost(given)}${leak}; its restart limit of ${formatBytes(limit)} is close to what it needs anyway`,
    change: `set ${rssLimitSetting(suggested)}, or see what it needs the memory for`,
  };
}

/** Only after a day: the load has not shown its highest before. */
function tooHigh(given: Given, limit: number): Finding | null {
  const { footing, outlook, pace } = given;
  if (outlook?.leak || footing.overMs < pace.leak.dayMs || limit < FAR_ABOVE * footing.most) return null;
  const suggested = suggestion(given);
  const more = formatBytes(limit - footing.most);
  return {
    code: 'rss_limit_too_high',
    figures: { ...seen(given), rss_limit_bytes: limit, suggested_bytes: suggested },
    measuredMs: footing.overMs,
    sentence: `had ${atLeastAndMost(given)}; a leak could take ${more} more before its restart limit of ${formatBytes(limit)}`,
    change: `set ${rssLimitSetting(suggested)}`,
  };
}
