/** Pure: what the terminal and the page say of a leak; loaded by the browser too, so nothing but units is imported. */
import { formatBytes } from '../units.js';
import type { WorkerStatus } from './app-shape.js';

const CLASS_WORDS: Record<NonNullable<WorkerStatus['leak']>['class'], string> = {
  heap: 'its heap leaks',
  buffers: 'its buffers leak',
  native: 'its native memory leaks',
  children: 'its children leak',
  unknown: 'its memory grows',
};

const HOUR_SECONDS = 3600;

type Companion = NonNullable<WorkerStatus['leak']>['companions'][number];

const plainly = ({ type, from, to }: Companion): string => `${type}: ${from} → ${to}`;

/** null where nothing leaks. */
export function leakWords({ leak }: Pick<WorkerStatus, 'leak'>, describe: (companion: Companion) => string = plainly): string | null {
  if (!leak) return null;
  return [`${CLASS_WORDS[leak.class]}, ${formatBytes(leak.bytes_per_second * HOUR_SECONDS)} an hour`, ...leak.companions.map(describe)].join(', ');
}

/** `roughly`: a time from seconds, to the minute or more, since a forecast is no more exact. null without a forecast. */
export function forecastWords(
  { forecast_seconds: seconds }: Pick<WorkerStatus, 'forecast_seconds'>,
  limit: number | undefined,
  roughly: (seconds: number) => string,
): string | null {
  if (seconds === null || limit === undefined) return null;
  if (seconds === 0) return `has reached ${formatBytes(limit)}`;
  return `reaches ${formatBytes(limit)} in about ${roughly(seconds)}`;
}
