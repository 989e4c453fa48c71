/** Every metric that rules, dashboards and docs name is published, and every one that is published is named in README. */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { deliveryOf, Queue } from '../../src/relay/queue.js';
import { RelayCounters, relayFamilies } from '../../src/relay/relay-metrics.js';
import { FakeClock } from '../act/support.js';
import { alertFor } from '../relay/simulated-warden.js';
import { VIEW, collectorOf, freshCounters, page, viewFamilies } from '../publish/support.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const textOf = (file: string): string => readFileSync(`${root}/${file}`, 'utf8');
const namesIn = (text: string): Set<string> =>
  new Set([...text.matchAll(/heapwarden_[a-z0-9_]*[a-z0-9](?![a-z0-9_]*[*{…])/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, '')));

async function published(): Promise<Set<string>> {
  const text = await page([collectorOf('view', ...viewFamilies(VIEW)), { name: 'counters', collect: () => freshCounters('shop').families() }]);
  return new Set([...text.matchAll(/^# TYPE (heapwarden_\S+) /gm)].map(([, name]) => name!));
}

/** By `heapwarden relay`, which is a program of its own; with something in its queue of either kind. */
async function publishedByRelay(): Promise<string[]> {
  const queue = new Queue();
  for (const isBraked of [true, false]) queue.put(deliveryOf(String(isBraked), alertFor('a'), new FakeClock(), isBraked));
  const families = relayFamilies({ version: '1', queue, targets: { count: 1, isGood: true } });
  return [...families, ...(await new RelayCounters().families())].map(({ name }) => name);
}

t.test('what is named is published', async (t) => {
  const known = new Set([...(await published()), ...(await publishedByRelay())]);
  t.ok(known.has('heapwarden_restarts_total') && known.has('heapwarden_collector_success'), `${known.size} metrics`);
  const files = ['rules', 'grafana'].flatMap((folder) => readdirSync(`${root}/${folder}`).map((name) => `${folder}/${name}`));
  for (const file of [...files.filter((name) => /\.(ya?ml|json|md)$/.test(name)), 'README.md']) {
    const strangers = [...namesIn(textOf(file))].filter((name) => !known.has(name));
    t.strictSame(strangers, [], file);
  }
});

t.test('what is published stands in README', async (t) => {
  const named = namesIn(textOf('README.md'));
  t.strictSame([...(await published())].filter((name) => !named.has(name)), []);
});
