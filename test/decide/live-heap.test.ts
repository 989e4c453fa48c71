import t from 'tap';
import { LEAST_BETWEEN_MS, wantsCollection } from '../../src/decide/live-heap.js';
import type { MemorySample } from '../../src/observe/series.js';
import { HOUR, MB, MINUTE } from './support.js';

const at = 10 * HOUR;
const look = (runtime: Partial<NonNullable<MemorySample['runtime']>> | null, sinceMs: number, askedMs: number | null = null): boolean => {
  const known = { heapTotal: 90 * MB, heapHeld: 60 * MB, heapLive: 40 * MB, external: 2 * MB, gcSeconds: 0, resources: {} };
  const latest = { at, treeRss: 300 * MB, rootRss: 200 * MB, ownRss: 200 * MB, runtime: runtime && { ...known, ...runtime } };
  return wantsCollection({ latest, collectedAt: at - sinceMs }, askedMs === null ? null : at - askedMs);
};

t.test('a heap that has grown since V8 collected is asked for, five minutes after', async (t) => {
  t.equal(look({}, LEAST_BETWEEN_MS), true);
  t.equal(look({}, LEAST_BETWEEN_MS - 1), false, 'V8 has just collected');
  t.equal(look({ heapHeld: 47 * MB }, HOUR), false, 'less than 4 % of its memory has come');
  t.equal(look({ heapHeld: 48 * MB }, HOUR), true);
  t.equal(look({ heapLive: null }, LEAST_BETWEEN_MS), true, 'V8 has never collected');
  t.equal(look(null, HOUR), false, 'no agent');
  t.equal(wantsCollection({ latest: null, collectedAt: 0 }, null), false);
});

t.test('not again so soon, and a large heap more seldom', async (t) => {
  t.equal(look({}, HOUR, LEAST_BETWEEN_MS - 1), false, 'one that does not answer');
  t.equal(look({}, HOUR, LEAST_BETWEEN_MS), true);
  const large = { heapHeld: 4 * 256 * 2 ** 20 };
  t.equal(look(large, 19 * MINUTE), false);
  t.equal(look(large, 20 * MINUTE), true);
});
