import { gauge, labelsOf, perWorker, seconds, type Family, type View } from './family.js';

/** Where a worker's memory is heading. */
export function forecastFamilies({ workers, outlook }: View): Family[] {
  const outlooks = new Map(workers.map((worker) => [worker, outlook(worker)]));
  return [
    gauge(
      'heapwarden_forecast_seconds',
      "Time until the worker's resident memory reaches its restart limit at the present trend; absent without a trend.",
      perWorker(workers, (worker) => {
        const forecastMs = outlooks.get(worker)?.forecastMs ?? null;
        return forecastMs === null ? null : seconds(forecastMs);
      }),
    ),
    gauge(
      'heapwarden_leak_rate_bytes_per_second',
      'Steady growth by class (heap, buffers, native, children); 0 where a class is measured and does not leak.',
      workers.flatMap((worker) =>
        Object.entries(outlooks.get(worker)?.rates ?? {}).map(([name, value]) => ({
          labels: { ...labelsOf(worker), class: name },
          value,
        })),
      ),
    ),
  ];
}
