import t from 'tap';
import { backoffMs, CRASH_LOOP_EXITS } from '../../src/supervisors/backoff.js';

t.test('the wait before the next start doubles, up to half a minute', (t) => {
  const waits = Array.from({ length: 12 }, (_, i) => backoffMs(i + 1));
  t.strictSame(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
  t.equal(backoffMs(5000), 30_000, 'however often');
  t.end();
});

t.test('a crash loop is called so within two minutes', (t) => {
  const waits = Array.from({ length: CRASH_LOOP_EXITS - 1 }, (_, i) => backoffMs(i + 1));
  const total = waits.reduce((sum, ms) => sum + ms, 0);
  t.ok(total > 30_000 && total < 120_000, `${total} ms`);
  t.end();
});
