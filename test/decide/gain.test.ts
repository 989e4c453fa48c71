import t from 'tap';
import { describeGain, gainSince } from '../../src/decide/gain.js';
import type { MemorySample } from '../../src/observe/series.js';
import { MB, MINUTE } from './support.js';

const sample = (at: number, heapTotal: number, external: number, ownRss: number, treeRss: number): MemorySample => ({
  at,
  treeRss: treeRss * MB,
  rootRss: ownRss * MB,
  ownRss: ownRss * MB,
  runtime: { heapTotal: heapTotal * MB, heapHeld: heapTotal * MB, heapLive: null, external: external * MB, gcSeconds: 0, resources: {} },
});

t.test('the parts make up the whole', async (t) => {
  const gain = gainSince(sample(MINUTE, 40, 5, 100, 120), sample(4 * MINUTE, 240, 15, 330, 340));
  t.strictSame(gain, {
    overMs: 3 * MINUTE,
    bytes: 220 * MB,
    parts: { heap: 200 * MB, buffers: 10 * MB, native: 20 * MB, children: -10 * MB },
  });
  t.equal(Object.values(gain!.parts).reduce((sum, part) => sum + part), gain!.bytes);
  t.equal(describeGain(gain!), 'it has gained 220 MB since its baseline 3m before: heap 200 MB');
});

t.test('the largest part first, and nothing of what has not grown', async (t) => {
  const gain = gainSince(sample(0, 40, 5, 100, 100), sample(20_000, 80, 155, 300, 300))!;
  t.equal(describeGain(gain), 'it has gained 200 MB since its baseline 20 s before: buffers 150 MB, heap 40 MB');
  t.equal(describeGain(gainSince(sample(0, 40, 5, 100, 100), sample(1, 40, 5, 90, 90))!), null);
});

t.test('without an agent nobody knows', async (t) => {
  t.equal(gainSince({ ...sample(0, 1, 1, 1, 1), runtime: null }, sample(1, 1, 1, 1, 1)), null);
  t.equal(gainSince(sample(0, 1, 1, 1, 1), { ...sample(1, 1, 1, 1, 1), runtime: null }), null);
});
