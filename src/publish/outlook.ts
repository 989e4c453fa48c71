/** Pure: where a process's memory is heading, as the API tells it. */
import Type, { type Static } from 'typebox';
import type { Outlook as Measured } from '../decide/forecast.js';
import { LEAK_CLASSES } from '../decide/leak.js';
import { seconds } from './family.js';
import { nullable } from './shape.js';

export const OUTLOOK = {
  forecast_seconds: nullable(Type.Number(), 'until the rss restart limit at the present trend; null without a trend or a limit'),
  leak: nullable(
    Type.Object({
      class: Type.Enum([...LEAK_CLASSES, 'unknown'] as const),
      bytes_per_second: Type.Number(),
      confidence: Type.Number({ description: '0 to 1' }),
      companions: Type.Array(Type.Object({ type: Type.String(), from: Type.Number(), to: Type.Number() }), {
        description: 'resources that grow with the memory: counts then and now',
      }),
    }),
    'what grows; null where nothing does for certain',
  ),
};

const Outlook = Type.Object(OUTLOOK);
export type OutlookStatus = Static<typeof Outlook>;

export function outlookStatus(outlook: Measured | null): OutlookStatus {
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
