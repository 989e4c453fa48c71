/** Pure: where a process's memory is heading, as the API tells it. */
import type { Outlook } from '../decide/forecast.js';
import type { Companion, Leak } from '../decide/leak.js';
import { seconds } from './family.js';

export interface OutlookStatus {
  /** Until the `rss` restart limit at the present trend; null without a trend or a limit. */
  forecast_seconds: number | null;
  /** What grows, and what grows with it; null where nothing does for certain. */
  leak: { class: Leak['class']; bytes_per_second: number; confidence: number; companions: Companion[] } | null;
}

export function outlookStatus(outlook: Outlook | null): OutlookStatus {
  const { leak, forecastMs } = outlook ?? { leak: null, forecastMs: null };
  return {
    forecast_seconds: forecastMs === null ? null : Math.round(seconds(forecastMs)),
    leak: leak && {
      class: leak.class,
      bytes_per_second: Math.round(leak.bytesPerSecond),
      confidence: Number(leak.confidence.toFixed(2)),
      companions: leak.companions,
    },
  };
}
