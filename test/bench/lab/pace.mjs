/**
 * Preloaded into the lab's warden (node --import=…, dist/cli.js as it is): what it remembers of an app's memory is
 * dated LAB_PACE[app] times faster than the clock goes, counted from the start of the process. So hours pass in minutes,
 * and nothing that judges growth has another setting than its users have.
 */
import { SeriesBook } from '../../../dist/observe/series.js';

const pace = JSON.parse(process.env['LAB_PACE'] ?? '{}');

const dated = (worker) => {
  const times = pace[worker.app] ?? 1;
  const startedAtMs = worker.reading?.startedAtMs ?? 0;
  return {
    ...worker,
    observedAt: worker.observedAt * times,
    observedAtMs: startedAtMs + (worker.observedAtMs - startedAtMs) * times,
  };
};

const { add } = SeriesBook.prototype;
SeriesBook.prototype.add = function (workers) {
  add.call(this, new Map([...workers].map(([key, worker]) => [key, dated(worker)])));
};
