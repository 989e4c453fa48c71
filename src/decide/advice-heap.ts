/** Pure: whether V8's heap limit fits the restart limit and what lives in the heap. */
import { formatBytes } from '../units.js';
import type { AdviceCode, Finding, FiguresOf, Given } from './finding.js';
import type { Footing, HeapFooting } from './footing.js';
import { describeTime } from './forecast.js';
import { TIGHT, oldSpaceFlag, oldSpaceFor, oldSpaceUnder, restartLimitFor } from './heap-limit.js';
import { rssLimitSetting } from './settings.js';

/** Of the heap limit: from here on V8 collects over and over to find room; with GC at work so hard, from there on. */
const FULL = 0.8;
const HALF_FULL = 0.5;
/** Of the time. */
const MUCH_GC = 0.1;
/** Smaller savings are not worth a flag: in bytes, and as a share of resident memory. */
const LEAST_SAVED_BYTES = 32 * 2 ** 20;
const LEAST_SAVED = 0.1;

export function heapAdvice(given: Given): Finding[] {
  const { heap } = given.footing;
  if (!heap) return [];
  // Of several values for one flag, the one that matters most.
  const finding = limitTooLow(given, heap) ?? aboveRssLimit(given, heap) ?? lower(given, heap);
  return finding ? [finding] : [];
}

function limitTooLow(given: Given, heap: HeapFooting): Finding | null {
  const { app, footing } = given;
  const { live, limit, young, outside } = heap;
  if (live === null) return null;
  const { gc } = footing;
  const share = live / limit;
  if (share < FULL && !(gc && gc.share >= MUCH_GC && share >= HALF_FULL)) return null;
  const rssLimit = app.limits.rss?.restart ?? null;
  const wanted = oldSpaceFor(live);
  const fits = rssLimit === null || wanted <= oldSpaceUnder(rssLimit, outside, young);
  const raise = fits ? '' : `, and set ${rssLimitSetting(restartLimitFor(wanted, outside, young))} with it`;
  const cost = gc ? `; ${describeGc(gc)}` : '';
  const lives = `${percent(share)} (${formatBytes(live)}) still live after major GCs`;
  return told('heap_limit_too_low', footing, {
    figures: {
      heap_limit_bytes: limit,
      heap_live_bytes: Math.round(live),
      gc_ratio: gc && Number(gc.share.toFixed(4)),
      suggested_old_space_bytes: wanted,
    },
    sentence: `has a heap limit of ${formatBytes(limit)}, of which ${lives}, ${over(footing)}${cost}`,
    change: `start it with ${oldSpaceFlag(wanted)} (three times what lives)${raise}`,
  });
}

function aboveRssLimit({ app, footing, state }: Given, heap: HeapFooting): Finding | null {
  const { limit, young, outside } = heap;
  const rssLimit = app.limits.rss?.restart ?? null;
  if (rssLimit === null || limit + outside <= rssLimit) return null;
  // Before the first major GC all that is used may live.
  const live = heap.live ?? state.agent!.stats!.heap_used;
  const under = oldSpaceUnder(rssLimit, outside, young);
  const isRoomEnough = under >= TIGHT * live;
  const wanted = isRoomEnough ? under : oldSpaceFor(live);
  const [lives, besides, forYoung] = [live, outside, young].map(formatBytes);
  const how = isRoomEnough
    ? `(nine tenths of the restart limit, less ${besides} outside the heap and ${forYoung} for V8's young generation)`
    : `(three times what lives), and set ${rssLimitSetting(restartLimitFor(wanted, outside, young))}: ` +
      `the limit leaves too little for ${lives} that live in the heap`;
  // A heap that leaks would not reach the restart limit for memory any more: V8 would abort the process below it.
  const isGuarded = app.limits.heap?.restart !== undefined;
  const guard = isGuarded ? '' : '; and set limits: { heap: { restart: 95% } }, for a heap that leaks is to be restarted still';
  return told('heap_limit_above_rss_limit', footing, {
    figures: { heap_limit_bytes: limit, rss_limit_bytes: rssLimit, suggested_old_space_bytes: wanted },
    sentence:
      `has a heap limit of ${formatBytes(limit)}, which with the ${besides} outside the heap (${over(footing)}) is above its ` +
      `restart limit of ${formatBytes(rssLimit)}: V8 has no reason to collect all garbage before the restart`,
    change: `start it with ${oldSpaceFlag(wanted)} ${how}${guard}`,
  });
}

/**
 * What a lower limit would save is at least what V8 holds above it, and at most all that does not live. Only after a day,
 * and by the most that lived in it: who follows this has V8 abort the process at the next higher load.
 */
function lower({ footing, outlook, pace }: Given, heap: HeapFooting): Finding | null {
  const { live, liveMost, limit, reserved, young } = heap;
  if (live === null || liveMost === null || outlook?.leak?.class === 'heap' || footing.overMs < pace.leak.dayMs) return null;
  const wanted = oldSpaceFor(liveMost);
  const most = reserved - live;
  const least = reserved - (wanted + young);
  if (wanted + young >= limit || least < Math.max(LEAST_SAVED_BYTES, LEAST_SAVED * footing.usual)) return null;
  const cost = `${footing.gc ? describeGc(footing.gc) : 'garbage collection takes some time'}, and would take more`;
  const saves = `${formatBytes(least)} to ${formatBytes(most)}, as far as they are resident`;
  return told('heap_limit_lower', footing, {
    figures: {
      heap_limit_bytes: limit,
      heap_live_bytes: Math.round(live),
      heap_reserved_bytes: Math.round(reserved),
      saved_least_bytes: Math.round(least),
      saved_most_bytes: Math.round(most),
      suggested_old_space_bytes: wanted,
    },
    sentence:
      `holds ${formatBytes(reserved)} for a heap of which ${formatBytes(live)} live after major GCs ` +
      `(medians ${over(footing)}), ${formatBytes(liveMost)} at the most`,
    change: `${oldSpaceFlag(wanted)} (three times the most that lived) would save ${saves}; ${cost}`,
  });
}

function told<C extends AdviceCode>(
  code: C,
  { overMs }: Footing,
  rest: { figures: FiguresOf[C]; sentence: string; change: string },
): Finding {
  return { code, measuredMs: overMs, ...rest } as Finding;
}

const describeGc = ({ share, overMs }: NonNullable<Footing['gc']>): string =>
  `garbage collection took ${percent(share)} of the last ${describeTime(overMs)}`;
const over = ({ overMs }: Footing): string => (overMs > 0 ? `over ${describeTime(overMs)}` : 'as it is now');
const percent = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
