import type { WorkerState } from '../observe/tracker.js';
import { gauge, labelMaker, labelsOf, perWorker, samples, seconds, type Family, type Sample, type View } from './family.js';

/** Where a worker's memory is heading. Each family asks for itself: of a long page, the two may be of two looks. */
export function forecastFamilies({ workers, outlook }: View): Family[] {
  return [
    gauge(
      'heapwarden_forecast_seconds',
      "Time until the worker's resident memory reaches its restart limit at the present trend; absent without a trend.",
      perWorker(workers, forecast, outlook),
    ),
    gauge(
      'heapwarden_leak_rate_bytes_per_second',
      'Steady growth by class (heap, buffers, native, children); 0 where a class is measured and does not leak.',
      samples(leakRates, workers, outlook),
    ),
  ];
}

function forecast(worker: WorkerState, outlook: View['outlook']): number | null {
  const forecastMs = outlook(worker)?.forecastMs ?? null;
  return forecastMs === null ? null : seconds(forecastMs);
}

function* leakRates(workers: readonly WorkerState[], outlook: View['outlook']): Generator<Sample> {
  const byClass = labelMaker('class');
  for (const worker of workers) {
    const rates: Readonly<Record<string, number>> = outlook(worker)?.rates ?? {};
    for (const name in rates) yield { labels: labelsOf(worker), more: byClass(name), value: rates[name]! };
  }
}
