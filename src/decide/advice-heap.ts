/** Pure: whether V8's heap limit fits the restart limit and what lives in the heap. */
import { formatBytes } from '../units.js';
import type { AdviceCode, Finding, FiguresOf, Given } from './finding.js';
import type { Footing, HeapFooting } from './footing.js';
import { describeTime } from './forecast.js';
import { TIGHT, oldSpaceFlag, oldSpaceFor, oldSpaceUnder, restartLimitFor } from './heap-limit.js';

/** Of the heap limit: from here on V8 collects over and over to find room; with GC at work so hard, from there on. */
const FULL = 0.8;
const HALF_FULL = 0.5;
/** Of the time. */
const MUCH_GC = 0.1;
/** Smaller savings are not worth a flag. */
const LEAST_SAVED_BYTES = 32 * 2 ** 20;
const LEAST_SAVED = 0.1;

export function heapAdvice(given: Given): Finding[] {
  const { heap } = given.footing;
  if (!heap) return [];
  const tooLow = limitTooLow(given, heap);
  if (tooLow) return [tooLow];
  const above = aboveRssLimit(given, heap);
  // Of two values the one that keeps V8 below the restart limit comes first.
  return [above ?? lower(given, heap)].filter((finding) => finding !== null);
}

function limitTooLow(given: Given, heap: HeapFooting): Finding | null {
  const { app, footing } = given;
  const { live, limit, young, outside } = heap;
  if (live === null) return null;
  const share = live / limit;
  const gc = footing.gc;
  if (share < FULL && !(gc && gc.share >= MUCH_GC && share >= HALF_FULL)) return null;
  const rssLimit = app.limits.rss?.restart ?? null;
  const wanted = oldSpaceFor(live);
  const fits = rssLimit === null || wanted <= oldSpaceUnder(rssLimit, outside, young);
  const raise = fits ? '' : `, and limits: { rss: { restart: ${formatBytes(restartLimitFor(wanted, outside, young)).replace(' ', '')} } } with it`;
  const cost = gc ? `; garbage collection took ${percent(gc.share)} of the last ${describeTime(gc.overMs)}` : '';
  return told('heap_limit_too_low', given, {
    figures: { heap_limit_bytes: limit, heap_live_bytes: Math.round(live), gc_ratio: gc && Number(gc.share.toFixed(4)), suggested_old_space_bytes: wanted },
    sentence: `has a heap limit of ${formatBytes(limit)}, of which ${percent(share)} (${formatBytes(live)}) still live after major GCs${over(footing)}${cost}`,
    change: `start it with ${oldSpaceFlag(wanted)} (three times what lives)${raise}`,
  });
}

function aboveRssLimit(given: Given, heap: HeapFooting): Finding | null {
  const { app, footing, state } = given;
  const { limit, young, outside } = heap;
  const rssLimit = app.limits.rss?.restart ?? null;
  if (rssLimit === null || limit + outside <= rssLimit) return null;
  // Before the first major GC all that is used may live.
  const live = heap.live ?? state.agent!.stats!.heap_used;
  const under = oldSpaceUnder(rssLimit, outside, young);
  const figures = { heap_limit_bytes: limit, rss_limit_bytes: rssLimit };
  const sentence =
    `has a heap limit of ${formatBytes(limit)}; with ${formatBytes(outside)} outside the heap${over(footing)} V8 may let garbage ` +
    `grow beyond its restart limit of ${formatBytes(rssLimit)}, where collecting it would do`;
  if (under < TIGHT * live) {
    const wanted = oldSpaceFor(live);
    const raised = formatBytes(restartLimitFor(wanted, outside, young)).replace(' ', '');
    const change =
      `the restart limit leaves too little for the ${formatBytes(live)} that live in the heap: start it with ${oldSpaceFlag(wanted)} ` +
      `and set limits: { rss: { restart: ${raised} } }`;
    return told('heap_limit_above_rss_limit', given, { figures: { ...figures, suggested_old_space_bytes: wanted }, sentence, change });
  }
  const last = app.limits.heap?.restart === undefined ? ', and add limits: { heap: { restart: 95% } }: else a heap that leaks ends in an abort of V8' : '';
  const change = `start it with ${oldSpaceFlag(under)} (nine tenths of the restart limit, less what is outside the heap and ${formatBytes(young)} for the young generation)${last}`;
  return told('heap_limit_above_rss_limit', given, { figures: { ...figures, suggested_old_space_bytes: under }, sentence, change });
}

/** What a lower limit would save is at least what V8 holds above it, and at most all that does not live. */
function lower(given: Given, heap: HeapFooting): Finding | null {
  const { footing, outlook, pace } = given;
  const { live, limit, reserved, young } = heap;
  if (live === null || outlook?.leak?.class === 'heap' || footing.overMs < pace.leak.shortestMs) return null;
  const wanted = oldSpaceFor(live);
  const least = reserved - (wanted + young);
  if (wanted + young >= limit || least < Math.max(LEAST_SAVED_BYTES, LEAST_SAVED * footing.usual)) return null;
  const most = reserved - live;
  const cost = footing.gc ? `garbage collection took ${percent(footing.gc.share)} of the last ${describeTime(footing.gc.overMs)}, and would take more` : 'garbage collection would take more time';
  return told('heap_limit_lower', given, {
    figures: {
      heap_limit_bytes: limit,
      heap_live_bytes: Math.round(live),
      heap_reserved_bytes: Math.round(reserved),
      saved_least_bytes: Math.round(least),
      saved_most_bytes: Math.round(most),
      suggested_old_space_bytes: wanted,
    },
    sentence: `holds ${formatBytes(reserved)} for a heap of which ${formatBytes(live)} live after major GCs (medians${over(footing)})`,
    change: `${oldSpaceFlag(wanted)} (three times what lives) would save ${formatBytes(least)} to ${formatBytes(most)}, as far as they are resident; ${cost}`,
  });
}

function told<C extends AdviceCode>(
  code: C,
  { footing: { overMs } }: Given,
  rest: { figures: FiguresOf[C]; sentence: string; change: string },
): Finding {
  return { code, measuredMs: overMs, ...rest } as Finding;
}

const over = ({ overMs }: Footing): string => (overMs > 0 ? `, over ${describeTime(overMs)}` : ', as it is now');
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
