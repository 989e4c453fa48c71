/** What the leak lab has shown of real processes, a series for each cause of a wrong forecast. */
import t from 'tap';
import { outlookOf } from '../../src/decide/forecast.js';
import { relive } from './recorded.js';
import { MB, appOf } from './support.js';

const seen = (name: string, share: number) => {
  const { series, limitBytes, leftMs } = relive(name, share);
  const { leak, forecastMs } = outlookOf(series, appOf(`limits: { rss: { restart: ${limitBytes / MB}MB } }`));
  return { class: leak?.class ?? null, error: forecastMs === null ? null : forecastMs / leftMs - 1 };
};

t.test('close to its limit a leak is told before half way, by a third of what there is between', async (t) => {
  for (const share of [0.46, 0.48, 0.5]) {
    const found = seen('buffers-kept', share);
    t.equal(found.class, 'buffers', `at ${share}`);
    t.ok(Math.abs(found.error ?? NaN) < 0.2, `at ${share}: ${found.error}`);
  }
});

t.test('a process that fills its pools and reserve first is judged by how it has grown lately', async (t) => {
  const found = seen('child-leaks', 0.5);
  t.equal(found.class, 'children');
  t.ok(Math.abs(found.error ?? NaN) < 0.2, String(found.error));
});

t.test('stairs of long ago, carried on to now, do not bring the limit nearer', async (t) => {
  // The less time is left, the more of it is the same stair.
  for (const [share, most] of [[0.5, 0.2], [0.6, 0.2], [0.7, 0.2], [0.75, 0.25], [0.8, 0.25]] as const) {
    const found = seen('memo-without-bound', share);
    t.equal(found.class, 'heap');
    t.ok(Math.abs(found.error ?? NaN) < most, `at ${share}: ${found.error}`);
  }
});
