import t from 'tap';
import { Series, SeriesBook, sampleOf, type MemorySample } from '../../src/observe/series.js';
import { HOUR, MB, MINUTE, NOW, SECOND, workerOf, workersOf } from '../decide/support.js';

const sample = (at: number, more: Partial<MemorySample> = {}): MemorySample => ({
  at,
  treeRss: 100,
  rootRss: 90,
  ownRss: 90,
  runtime: { heapTotal: 40, heapHeld: 35, heapLive: 20, external: 10, gcSeconds: 0, resources: {} },
  ...more,
});

t.test('the lowest value of each slice that has ended', async (t) => {
  const series = new Series();
  const tree = [5, 3, 4, 9, 8, 7, 1];
  tree.forEach((treeRss, i) => series.add(sample(1000 + i * 10 * SECOND, { treeRss })));
  t.strictSame(series.read('tree', -Infinity), [{ at: 1000, value: 3 }, { at: 31_000, value: 7 }]);
  t.strictSame(series.read('tree', 31_000), [{ at: 31_000, value: 7 }]);
  t.strictSame(series.recent('tree'), series.read('tree', -Infinity));
  t.strictSame(series.read('native', -Infinity).map(({ value }) => value), [40, 40], 'own less heap and external');
  t.strictSame(series.read('live', -Infinity).map(({ value }) => value), [70, 70], 'heap, buffers and native; no child here');
});

t.test('a month at a sample a second stays as small as an hour, and reaches back five days', async (t) => {
  const series = new Series();
  const end = 30 * 24 * HOUR;
  for (let at = 0; at <= end; at += 7 * SECOND) series.add(sample(at, { treeRss: at }));
  for (const [back, sliceMs] of [[30, 0.5], [120, 2], [480, 8], [1980, 32], [7680, 128]] as const) {
    const points = series.read('tree', end - back * MINUTE);
    t.ok(points.length >= 55 && points.length <= 64, `${points.length} points of ${back} minutes`);
    t.ok(points[0]!.at - (end - back * MINUTE) <= sliceMs * MINUTE + 7 * SECOND, `${back} minutes are there`);
    for (const { at, value } of points) t.equal(value, at);
  }
  t.equal(series.read('tree', -Infinity).length, 63);
});

t.test('a round seldomer than a slice leaves no holes', async (t) => {
  const series = new Series();
  for (let i = 0; i < 20; i++) series.add(sample(i * HOUR));
  t.equal(series.read('tree', -Infinity).length, 19);
});

t.test('heap and buffers are as of the last major GC; without an agent they are not known', async (t) => {
  const series = new Series();
  const runtime = (heapLive: number | null, external: number) => ({ heapTotal: 40, heapHeld: 35, heapLive, external, gcSeconds: 0, resources: {} });
  const seen = [runtime(null, 10), runtime(20, 12), runtime(20, 30), runtime(20, 11), runtime(22, 25), null, runtime(22, 26)];
  seen.forEach((one, i) => series.add(sample(i * 30 * SECOND, { runtime: one })));
  series.add(sample(seen.length * 30 * SECOND));
  t.strictSame(series.read('heap', -Infinity).map(({ value }) => value), [20, 20, 20, 22, 22]);
  t.strictSame(series.read('buffers', -Infinity).map(({ value }) => value), [12, 12, 11, 25, 26]);
  t.equal(series.read('tree', -Infinity).length, 7);
  t.equal(series.read('native', -Infinity).length, 6);
});

t.test('what garbage collection takes, what V8 has reserved, and the most there was', async (t) => {
  const series = new Series();
  for (let i = 0; i < 13; i++) {
    const runtime = { heapTotal: 40 + (i % 3), heapHeld: 35, heapLive: 20, external: 10 + (i % 2), gcSeconds: i, resources: {} };
    series.add(sample(i * 10 * SECOND, { treeRss: 100 + (i === 4 ? 77 : 0), rootRss: 90 + (i === 7 ? 5 : 0), runtime }));
  }
  t.strictSame(series.read('gc', -Infinity), [0, 3, 6, 9].map((value) => ({ at: value * 10 * SECOND, value })), 'as each slice began');
  t.strictSame(series.read('reserved', -Infinity).map(({ value }) => value), [40, 40, 40, 40]);
  t.strictSame(series.read('external', -Infinity).map(({ value }) => value), [10, 10, 10, 10]);
  t.strictSame(series.highest, { tree: 177, root: 95, heapLive: 20 });
});

t.test('when V8 has last collected', async (t) => {
  const series = new Series();
  const runtime = (heapLive: number | null) => ({ ...sample(0).runtime!, heapLive });
  const seen = [null, null, 20, 20, 22, 22].map((heapLive, i) => {
    series.add(sample(1000 + i * SECOND, { runtime: runtime(heapLive) }));
    return series.collectedAt;
  });
  t.strictSame(seen, [1000, 1000, 3000, 3000, 5000, 5000], 'at first, when it begins');
});

t.test('counts of resources are thinned to 32 at most, over the whole life', async (t) => {
  const series = new Series();
  for (let i = 0; i < 5000; i++) series.add(sample(i * MINUTE, { runtime: { ...sample(0).runtime!, resources: { Timeout: i } } }));
  t.ok(series.snapshots.length >= 16 && series.snapshots.length <= 32, String(series.snapshots.length));
  t.strictSame(series.snapshots[0], { at: 0, resources: { Timeout: 0 } });
  t.ok(series.snapshots.at(-1)!.at > 4000 * MINUTE);
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`t${i}`, i]));
  const crowd = new Series();
  crowd.add(sample(0, { runtime: { ...sample(0).runtime!, resources: many } }));
  t.equal(Object.keys(crowd.snapshots[0]!.resources).length, 32);
  t.equal(crowd.snapshots[0]!.resources['t99'], 99);
});

t.test('what a worker’s state says', async (t) => {
  const stats = { heap_live: 20 * MB, heap_spaces: { old: 25 * MB, new: 4 * MB, new_large_object: MB }, active_resources: { Timeout: 2 } };
  t.strictSame(sampleOf(workerOf({ rssBytes: 80 * MB, childrenRssBytes: 20 * MB, stats })), {
    at: NOW,
    treeRss: 100 * MB,
    rootRss: 80 * MB,
    ownRss: 80 * MB,
    runtime: { heapTotal: 50 * MB, heapHeld: 25 * MB, heapLive: 20 * MB, external: 2 * MB, gcSeconds: 0, resources: { Timeout: 2 } },
  });
  const wrapped = workerOf({ rssBytes: 30 * MB, childrenRssBytes: 80 * MB });
  t.match(sampleOf({ ...wrapped, agent: { ...wrapped.agent!, pid: 9999 } }), { rootRss: 30 * MB, ownRss: 80 * MB }, 'npm start');
  t.equal(sampleOf(workerOf({ stats: null }))!.runtime, null);
  t.equal(sampleOf(workerOf({ pid: null })), null);
});

t.test('a process begins anew, after its startup; one that has gone is forgotten', async (t) => {
  const book = new SeriesBook();
  const round = (minutes: number, made: { pid: number | null; start?: number; startedAtMs?: number }) => {
    const worker = workerOf({ startedAtMs: NOW, ...made, observedAtMs: NOW + minutes * MINUTE });
    book.add(workersOf(worker));
    return book.of(worker);
  };
  t.equal(round(9, { pid: 1 })?.latest, null, 'starting');
  const first = round(10, { pid: 1 });
  t.equal(first?.latest?.at, NOW + 10 * MINUTE);
  t.equal(round(11, { pid: 1 }), first);
  const second = round(30, { pid: 1, start: 2, startedAtMs: NOW + 12 * MINUTE });
  t.not(second, first, 'the pid has come again');
  t.equal(book.of(workerOf({ pid: 1, start: 1 })), null, 'the old process has no series any more');
  t.equal(round(31, { pid: null }), null);
  t.not(round(50, { pid: 1, start: 2 }), second);
  book.add(new Map());
  t.equal(book.of(workerOf({ pid: 1, start: 2 })), null);
});
