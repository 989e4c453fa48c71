/** What we write, held against what prom-client writes of the same. */
import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import t from 'tap';
import { createMeter } from '../../src/agent/meter.cjs';
import type { Exposition } from '../../src/publish/exposition.js';
import { samples, type Family, type Sample } from '../../src/publish/family.js';
import { render, type Collector } from '../../src/publish/render.js';
import { SelfMetrics } from '../../src/publish/self.js';
import { VIEW, byPromClient, collectorOf, freshCounters, linesOf, page, viewFamilies } from './support.js';

const EXPOSITIONS = ['text', 'openmetrics'] as const;

/** Our own page without the families about its making, which prom-client is not given. */
const ours = async (families: readonly Family[], exposition: Exposition) =>
  linesOf(await page([collectorOf('all', ...families)], exposition)).join('\n');

const theirs = async (families: readonly Family[], exposition: Exposition) => {
  const past = ['heapwarden_collector_duration_seconds', 'heapwarden_collector_success'].map(
    (name): Family => ({ name, help: '', type: 'gauge', values: [] }),
  );
  return linesOf(await byPromClient([...families, ...past], exposition)).join('\n');
};

t.test('a page of all that there is, to the letter', async (t) => {
  const meter = createMeter();
  const self = new SelfMetrics(meter, async () => 21);
  t.teardown(() => {
    self.close();
    meter.close();
  });
  const families = [...viewFamilies(VIEW), ...(await freshCounters('shop').families()), ...(await self.families())];
  for (const exposition of EXPOSITIONS) {
    t.equal(await ours(families, exposition), await theirs(families, exposition), exposition);
  }
});

const NAMES = ['a', 'b_total', 'c_seconds', 'd_total_total', 'e_bucket'] as const;
const text = fc.string({ unit: fc.oneof(fc.constantFrom('\\', '"', '\n', '{', '}', ',', '=', ' ', 'n', 'é', '😀'), fc.string({ minLength: 1, maxLength: 1 })) });
const value = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.constantFrom(Infinity, -Infinity, 0, -0, 1e21, 1e-7, Number.MAX_SAFE_INTEGER, 5e-324),
);
const sample: fc.Arbitrary<Sample> = fc.record(
  {
    labels: fc.dictionary(fc.constantFrom('app', 'worker', 'le', '_x'), text, { noNullPrototype: true }),
    more: fc.dictionary(fc.constantFrom('kind', 'quantile'), text, { noNullPrototype: true }),
    value,
    metricName: fc.constantFrom('other_sum', 'other_count'),
  },
  { requiredKeys: ['labels', 'value'] },
);
const families: fc.Arbitrary<Family[]> = fc
  .uniqueArray(fc.constantFrom(...NAMES))
  .chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc.record({
          name: fc.constant(name),
          help: text,
          type: fc.constantFrom('gauge', 'counter', 'histogram'),
          values: fc.array(sample, { maxLength: 5 }),
        }),
      ),
    ),
  );

t.test('and any other page', async (t) => {
  await fc.assert(
    fc.asyncProperty(families, fc.constantFrom(...EXPOSITIONS), async (all, exposition) => {
      const [own, expected] = [await ours(all, exposition), await theirs(all, exposition)];
      if (own !== expected) throw new Error(`${own}\n--- but prom-client:\n${expected}`);
    }),
    { numRuns: 1000, seed: 7 },
  );
  t.pass('1000 pages');
});

t.test('what is not a number is written as both formats have it, which prom-client misspells', async (t) => {
  const family: Family = { name: 'x', help: '', type: 'gauge', values: [{ labels: {}, value: NaN }] };
  for (const exposition of EXPOSITIONS) {
    t.match(await ours([family], exposition), /^x NaN$/m);
    t.match(await theirs([family], exposition), /^x Nan$/m);
  }
});

const many = (name: string, count: number): Family => ({
  name,
  help: 'Many.',
  type: 'gauge',
  values: samples(function* () {
    for (let i = 0; i < count; i++) yield { labels: { app: 'shop', worker: String(i) }, value: i };
  }),
});

t.test('a long page is written in slices: others have their turn', async (t) => {
  const seen = { turns: 0, done: false };
  const others = (async () => {
    for (; !seen.done; seen.turns++) await turn();
  })();
  const text = await page([collectorOf('many', many('x', 200_000))]);
  seen.done = true;
  await others;
  t.ok(seen.turns > 3, `${seen.turns} turns of the loop`);
  t.equal(text.split('\n').filter((line) => line.startsWith('x{')).length, 200_000, 'and is whole');
  t.equal(linesOf(text).find((line) => line.startsWith('x{')), 'x{app="shop",worker="0"} 0');
});

t.test('pages that are written at the same time do not mix', async (t) => {
  const families = Array.from({ length: 4 }, (_, i) => many(`x${i}`, 20_000));
  const apart = await Promise.all(families.map((family) => ours([family], 'text')));
  for (const [i, text] of apart.entries()) t.equal(text, await ours([families[i]!], 'text'));
});

t.test('a collector that fails in the middle of a family leaves nothing of itself', async (t) => {
  const failing: Family = {
    name: 'half',
    help: '',
    type: 'gauge',
    values: samples(function* () {
      yield { labels: {}, value: 1 };
      throw new Error('in the middle');
    }),
  };
  const failures: string[] = [];
  const collectors: Collector[] = [collectorOf('bad', many('before', 2), failing), collectorOf('good', many('before', 2))];
  const text = String(await render(collectors, new Map(), 'text', (name, error) => failures.push(`${name}: ${String(error)}`)));
  t.strictSame(failures, ['bad: Error: in the middle']);
  t.notMatch(text, /half/);
  t.equal(text.split('\n').filter((line) => line.startsWith('before{')).length, 2, 'not even its names are taken');
});
