/**
 * Preloaded into the lab's warden (node --import=…, dist/cli.js as it is): what it remembers of an app's memory is
 * dated LAB_PACE[app] times faster than the clock goes, counted from the start of the process. So hours pass in minutes,
 * and nothing that judges growth has another setting than its users have. With LAB_RECORD, a folder, each sample is
 * appended there to APP.PID.jsonl, after `ageMs`, the age of the process by that clock.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { SeriesBook, sampleOf } from '../../../dist/observe/series.js';

const pace = JSON.parse(process.env['LAB_PACE'] ?? '{}');
const folder = process.env['LAB_RECORD'];

const dated = (worker) => {
  const times = pace[worker.app] ?? 1;
  const startedAtMs = worker.reading?.startedAtMs ?? 0;
  return {
    ...worker,
    observedAt: worker.observedAt * times,
    observedAtMs: startedAtMs + (worker.observedAtMs - startedAtMs) * times,
  };
};

const recordedAt = new Map();

/** A round in which nothing could be measured repeats the last one. */
function record(worker) {
  const sample = sampleOf(worker);
  if (!sample) return;
  const file = join(folder, `${worker.app}.${worker.reading.root.pid}.jsonl`);
  if (recordedAt.get(file) === sample.at) return;
  recordedAt.set(file, sample.at);
  const ageMs = worker.observedAtMs - worker.reading.startedAtMs;
  appendFileSync(file, `${JSON.stringify({ ageMs, ...sample })}\n`);
}

const { add } = SeriesBook.prototype;
SeriesBook.prototype.add = function (workers) {
  const all = new Map([...workers].map(([key, worker]) => [key, dated(worker)]));
  if (folder) for (const worker of all.values()) record(worker);
  add.call(this, all);
};
