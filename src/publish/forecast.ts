import type { Outlook } from '../decide/forecast.js';
import type { WorkerState } from '../observe/tracker.js';
import { gauge, labelMaker, labelsOf, perWorker, samples, seconds, type Family, type View } from './family.js';

/** Where a worker's memory is heading. */
export function forecastFamilies({ workers, outlook }: View): Family[] {
  const known = new Map<WorkerState, Outlook | null>();
  const outlookFor = (worker: WorkerState): Outlook | null => {
    if (!known.has(worker)) known.set(worker, outlook(worker));
    return known.get(worker)!;
  };
  return [
    gauge(
      'heapwarden_forecast_seconds',
      "Time until the worker's resident memory reaches its restart limit at the present trend; absent without a trend.",
      perWorker(workers, (worker) => {
        const forecastMs = outlookFor(worker)?.forecastMs ?? null;
        return forecastMs === null ? null : seconds(forecastMs);
      }),
    ),
    gauge(
      'heapwarden_leak_rate_bytes_per_second',
      'Steady growth by class (heap, buffers, native, children); 0 where a class is measured and does not leak.',
      samples(function* () {
        const byClass = labelMaker('class');
        for (const worker of workers) {
          for (const [name, value] of Object.entries(outlookFor(worker)?.rates ?? {})) {
            yield { labels: labelsOf(worker), more: byClass(name), value };
          }
        }
      }),
    ),
  ];
}
