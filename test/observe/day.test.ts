import t from 'tap';
import { BYTES_PER_WORKER, DAY_RING, DayBook, DayRing, HOUR_RING, MOST_PAGES, type DaySample } from '../../src/observe/day.js';
import { HOUR, MB, MINUTE, NOW, SECOND, workerOf, workersOf } from '../decide/support.js';

const SAMPLE: DaySample = { resident: 100, heap_used: 50, heap_live: 40, lag: 0.5, gc_share: 0.25, spanMs: 5 * SECOND };
const sample = (more: Partial<DaySample> = {}): DaySample => ({ ...SAMPLE, ...more });
const START = Math.floor(NOW / HOUR) * HOUR;
const rounded = (value: number) => Number(value.toFixed(4));
const known = (values: readonly number[]) => values.filter((value) => !Number.isNaN(value));

t.test('a slice keeps the most, the last, or the mean', async (t) => {
  const ring = new DayRing(HOUR_RING);
  t.equal(ring.add(START, sample({ resident: 300, heap_live: 9 })), true, 'a slice began');
  t.equal(ring.add(START + 5 * SECOND, sample({ lag: 0.75, gc_share: 0.5 })), false);
  t.equal(ring.add(START + 10 * SECOND, sample({ heap_used: NaN })), true);
  const { startMs, sliceMs, columns } = ring.read(START + 12 * SECOND);
  t.strictSame([startMs, sliceMs], [START + 10 * SECOND - 359 * 10 * SECOND, 10 * SECOND]);
  t.strictSame(columns.resident.slice(-3), [NaN, 300, 100]);
  t.strictSame(columns.heap_live.slice(-2), [40, 40]);
  t.strictSame(columns.heap_used.slice(-2), [50, NaN]);
  t.strictSame(columns.lag.slice(-2), [0.75, 0.5]);
  t.strictSame(columns.gc_share.slice(-2), [0.5, 0.25], 'the first of which lies before the slice');
  t.equal(columns.resident.length, 360);
});

t.test('a day and no more, and gaps stay gaps', async (t) => {
  const ring = new DayRing(DAY_RING);
  for (let at = START; at < START + 30 * HOUR; at += MINUTE) ring.add(at, sample({ resident: (at - START) / HOUR }));
  const end = START + 30 * HOUR - MINUTE;
  const all = ring.read(end).columns.resident;
  t.equal(known(all).length, 720);
  t.ok(all[0]! > 5.9 && all.at(-1)! > 29.9, `${all[0]} to ${all.at(-1)}`);
  ring.add(end + 2 * HOUR, sample());
  const later = ring.read(end + 2 * HOUR).columns.resident;
  t.equal(known(later).length, 720 - 59, 'two hours without a look');
  t.equal(known(ring.read(end + 30 * HOUR).columns.resident).length, 0, 'all of it is too long ago');
  ring.add(end + 60 * HOUR, sample());
  t.equal(known(ring.read(end + 60 * HOUR).columns.resident).length, 1, 'nothing of an earlier round is left');
});

t.test('a clock that is set back', async (t) => {
  const ring = new DayRing(HOUR_RING);
  for (let i = 0; i < 60; i++) ring.add(START + i * MINUTE, sample());
  t.equal(ring.add(START + 59 * MINUTE + 5 * SECOND, sample()), false);
  t.equal(ring.add(START + 59 * MINUTE + 1, sample()), false, 'within a slice');
  t.equal(ring.add(START + 30 * MINUTE, sample({ resident: 70, gc_share: 1 })), true);
  const { columns } = ring.read(START + 59 * MINUTE);
  t.equal(known(columns.resident).length, 31, 'what is yet to come has not been measured');
  t.equal(known(columns.resident).at(-1), 70, 'writes over what is there');
  t.equal(known(columns.gc_share).at(-1), 1);
  t.equal(ring.add(START + 30 * MINUTE + 10 * SECOND, sample()), true, 'and goes on from there');
  t.equal(ring.add(START - 24 * HOUR, sample()), true);
  t.strictSame(known(ring.read(START - 24 * HOUR).columns.resident), [100], 'by more than the ring: it starts anew');
});

t.test('after a clock was set back, what is measured is worth being saved', async (t) => {
  for (const backMs of [3 * HOUR, 30 * HOUR]) {
    const book = new DayBook();
    const look = (nowMs: number) => book.add(workersOf({ ...workerOf(), observedAtMs: nowMs }), () => 1);
    t.equal(look(START), true);
    t.equal(look(START - backMs), true);
    t.equal(look(START - backMs + MINUTE), false);
    t.equal(look(START - backMs + 2 * MINUTE), true);
    const { columns } = book.of('shop', '0')!.day.read(START);
    t.equal(known(columns.resident).length, backMs < 24 * HOUR ? 2 : 0, 'nothing of before, which was later');
  }
});

t.test('a mean is weighted by the time that it is of and that lies in the slice', async (t) => {
  const ring = new DayRing(DAY_RING);
  const add = (atSeconds: number, gc_share: number, spanSeconds: number) => {
    ring.add(START + atSeconds * SECOND, sample({ gc_share, spanMs: spanSeconds * SECOND }));
    return ring.read(START + atSeconds * SECOND).columns.gc_share.at(-1);
  };
  t.equal(add(10, 1, 600), 1, 'what a long silence has gathered');
  t.equal(add(40, 0, 30), 0.25);
  t.equal(add(70, NaN, 0), 0.25, 'nothing was measured');
  t.equal(add(80, 0.5, 40), 0.375);
  t.equal(add(120, 0.75, 40), 0.75);
  const [kept, now] = [new DayRing(DAY_RING, ring.cells, ring.newest), START + 130 * SECOND];
  kept.add(now, sample({ gc_share: 0.5, spanMs: SECOND }));
  t.equal(kept.read(now).columns.gc_share.at(-1), 0.5, 'what an earlier warden measured in this slice has no weight');
});

t.test('rings outlive a restart; garbage collection is what this process has done since the last look', async (t) => {
  const book = new DayBook();
  const at = (nowMs: number, pid: number | null, seconds: number, toldAtMs = nowMs) => {
    const gc = { count: 1, sum_seconds: seconds, buckets: [0, 0, 0, 0, 0, 0] };
    const none = { ...gc, sum_seconds: 0 };
    const stats = { heap_live: 20 * MB, gc: { major: gc, minor: none, incremental: none, weakcb: none } };
    return workersOf(workerOf({ pid, stats, observedAtMs: nowMs, heartbeatAtMs: toldAtMs }));
  };
  const look = (...args: Parameters<typeof at>) => book.add(at(...args), ({ reading }) => reading!.treeRssBytes);
  look(START, 100, 7);
  look(START + 10 * SECOND, 100, 9);
  look(START + 20 * SECOND, null, 0);
  look(START + 30 * SECOND, 101, 1);
  look(START + 40 * SECOND, 101, 1.5);
  const { columns } = book.of('shop', '0')!.hour.read(START + 40 * SECOND);
  t.strictSame(columns.gc_share.slice(-5).map(rounded), [NaN, 0.2, NaN, NaN, 0.05]);
  t.equal(known(columns.resident).length, 4, 'nothing while it was down');
  t.equal(BYTES_PER_WORKER, 21_600);
  look(START + 50 * SECOND, 101, 1.5, START + 40 * SECOND);
  look(START + 60 * SECOND, 101, 11.5);
  const { gc_share } = book.of('shop', '0')!.hour.read(START + 60 * SECOND).columns;
  t.strictSame(gc_share.slice(-3).map(rounded), [0.05, NaN, 0.5], 'since a silent agent last told something');
});

t.test('no more than a thousand workers: those seen last', async (t) => {
  const kept = Array.from({ length: 1000 }, (_, i) => ({ app: 'gone', worker: String(i), day: new DayRing(DAY_RING) }));
  const book = new DayBook(kept);
  book.add(workersOf(workerOf({})), () => 1);
  t.equal(book.pages.length, 1000);
  t.equal(book.of('gone', '0'), null);
  t.ok(book.of('gone', '1') && book.of('shop', '0'));
});

const many = (prefix: string, count: number, nowMs: number) =>
  workersOf(...Array.from({ length: count }, (_, i) => ({ ...workerOf({}), worker: `${prefix}${i}`, observedAtMs: nowMs })));
const bytesOf = (book: DayBook) =>
  book.pages.reduce((sum, { hour, day }) => sum + hour.cells.byteLength + day.cells.byteLength, 0);

t.test('workers that come and go take no more than is said', async (t) => {
  const book = new DayBook();
  for (let round = 0; round < 12; round++) {
    book.add(many(`${round}-`, 300, START + round * MINUTE), () => 1);
    t.ok(bytesOf(book) <= MOST_PAGES * BYTES_PER_WORKER);
  }
  t.equal(bytesOf(book), 21_600_000);
  t.ok(book.of('shop', '11-299') && book.of('shop', '9-0'), 'those seen last');
  t.notOk(book.of('shop', '8-100'));
});

t.test('more workers at once than there is room for do not take it from each other', async (t) => {
  const book = new DayBook();
  for (let round = 0; round < 3; round++) book.add(many('', MOST_PAGES + 200, START + round * 10 * SECOND), () => 1);
  t.equal(book.pages.length, MOST_PAGES);
  const lengths = book.pages.map(({ hour }) => known(hour.read(START + 20 * SECOND).columns.resident).length);
  t.strictSame([...new Set(lengths)], [3], 'each has all three rounds');
  t.equal(book.of('shop', String(MOST_PAGES)), null);
  book.add(many('', MOST_PAGES, START + 30 * SECOND), () => 1);
  book.add(many('new', 5, START + 40 * SECOND), () => 1);
  t.ok(book.of('shop', 'new4'), 'one that has gone makes room');
});
