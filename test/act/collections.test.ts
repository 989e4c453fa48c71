import t from 'tap';
import { Collections } from '../../src/act/collections.js';
import { SeriesBook } from '../../src/observe/series.js';
import { HOUR, MB, MINUTE, NOW, appOf, workerOf, workersOf, type Made } from '../decide/support.js';

/** Rounds at these minutes, of a process whose heap grows and whose V8 does not collect: at which it was asked to. */
function askedAt(minutes: readonly number[], { app = appOf(), made = () => ({}) }: { app?: ReturnType<typeof appOf>; made?: (minute: number) => Made } = {}): number[] {
  const asked: number[] = [];
  const series = new SeriesBook();
  let now = 0;
  const collections = new Collections({
    series,
    hub: {
      async collect(pid) {
        t.equal(pid, 100);
        asked.push(now);
        return true;
      },
    },
  });
  for (const minute of minutes) {
    now = minute;
    const stats = { heap_used: 30 * MB + minute * 2 * MB, heap_live: 20 * MB };
    const workers = workersOf(workerOf({ stats, ...made(minute), observedAtMs: NOW + minute * MINUTE }));
    series.add(workers);
    collections.look([app], workers);
  }
  return asked;
}

const minutes = Array.from({ length: 16 }, (_, i) => i);

t.test('one that does not collect is asked every five minutes', async (t) => {
  t.strictSame(askedAt(minutes), [5, 10, 15]);
});

t.test('one that collects by itself is left alone, and so are those that nobody may ask', async (t) => {
  t.strictSame(askedAt(minutes, { made: (minute) => ({ stats: { heap_used: 60 * MB, heap_live: 20 * MB + minute } }) }), []);
  t.strictSame(askedAt(minutes, { app: appOf('runtime: none') }), []);
  t.strictSame(askedAt(minutes, { app: { ...appOf(), name: 'another' } }), [], 'not configured');
  t.strictSame(askedAt(minutes, { made: () => ({ stats: null }) }), [], 'no agent');
  t.strictSame(askedAt(minutes, { made: () => ({ startedAtMs: NOW }) }), [15], 'nor while it starts');
});

t.test('a new process has not been asked', async (t) => {
  const made = (minute: number): Made => ({ startedAtMs: NOW - HOUR, start: minute < 7 ? 1 : 2 });
  t.strictSame(askedAt(minutes, { made }), [5, 12]);
});
