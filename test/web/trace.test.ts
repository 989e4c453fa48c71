import t from 'tap';
import type { WorkerHistory } from '../../src/publish/day.js';
import { Trace } from '../../src/web/page/trace.js';

function historyOf(...values: (number | null)[]): WorkerHistory {
  const none = values.map(() => null);
  return {
    worker: '0', resident_memory_bytes: values, heap_used_bytes: none, heap_live_bytes: values, eventloop_lag_p99_seconds: none, gc_ratio: none,
  };
}

t.test('slices as the warden keeps them: the most of memory, the last of what lives', async (t) => {
  const trace = new Trace('1h');
  const past = historyOf(null, 5);
  trace.load(1000, past, '1h');
  trace.push(1012, [7, 3, 4]);
  trace.push(1019.9, [6, 2, 3]);
  trace.push(1020, [8, null, null]);
  trace.push(1005, [99, 99, 99]);
  t.strictSame(trace.times, [1000, 1010, 1020]);
  t.strictSame(trace.columns, [[null, 7, 8], [null, 3, null], [null, 3, null]]);
  t.strictSame(past.resident_memory_bytes, [null, 5], 'what was loaded stays as it was');
});

t.test('no longer than the range, however long it runs', async (t) => {
  const trace = new Trace('1h');
  for (let at = 0; at < 3 * 3600; at += 5) trace.push(at, [at, at, at]);
  t.equal(trace.times.length, 360);
  t.strictSame(trace.columns.map((column) => column.length), [360, 360, 360]);
  t.strictSame(trace.window, [7200, 10_795]);
});

t.test('what has just begun fills more than a speck', async (t) => {
  const trace = new Trace('1h');
  trace.load(0, historyOf(...Array.from({ length: 359 }, () => null), 5), '1h');
  t.strictSame(trace.window, [3290, 3590], 'five minutes at least');
  trace.push(3590 + 600, [5, 5, 5]);
  t.strictSame(trace.window, [3590, 4190], 'from its beginning');
  t.strictSame(new Trace('24h').window, [-3600, 0]);
});
