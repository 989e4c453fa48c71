import { appendFileSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { RelayJournal, type Held } from '../../src/relay/relay-journal.js';
import { deliveryOf, Queue } from '../../src/relay/queue.js';
import { FakeClock } from '../act/support.js';
import { alertFor } from './simulated-warden.js';

const heldFor = (instance: string, more = {}): Held => ({ instance, alert: alertFor(instance, more), sinceMs: 1000 });
const fail = (error: unknown): never => {
  throw error;
};

t.test('what is held and not done is found again, the last of each', async (t) => {
  const dir = join(t.testdir(), 'made');
  const { journal } = await RelayJournal.open(dir, fail);
  await journal.hold([heldFor('a'), heldFor('b'), heldFor('c')]);
  journal.done(heldFor('a'));
  journal.done(heldFor('never held'));
  const resolved = heldFor('b', { status: 'resolved' });
  await journal.hold([resolved]);
  await journal.close();
  const text = readFileSync(join(dir, 'relay.jsonl'), 'utf8');
  t.equal(text.split('\n').length - 1, 5);
  t.equal(statSync(join(dir, 'relay.jsonl')).mode & 0o777, 0o600);

  appendFileSync(join(dir, 'relay.jsonl'), '{"v":1,"type":"held","instance":"x"');
  const again = await RelayJournal.open(dir, fail);
  t.strictSame(again.content.held.toSorted((a, b) => a.instance.localeCompare(b.instance)), [resolved, heldFor('c')]);
  t.equal(again.content.damaged, 1);
  t.match(readdirSync(dir).join(' '), /relay\.damaged-\w+\.jsonl/);
  again.journal.done(heldFor('b'));
  await again.journal.close();
  const last = await RelayJournal.open(dir, fail);
  t.strictSame(last.content, { held: [heldFor('c')], damaged: 0 });
  await last.journal.close();
});

t.test('it does not grow without end', async (t) => {
  const dir = t.testdir();
  const { journal } = await RelayJournal.open(dir, fail, { compactAboveBytes: 10_000 });
  for (let i = 0; i < 200; i++) {
    await journal.hold([heldFor('a', { fingerprint: String(i) })]);
    journal.done(heldFor('a', { fingerprint: String(i) }));
  }
  await journal.hold([heldFor('kept')]);
  await journal.close();
  t.ok(statSync(join(dir, 'relay.jsonl')).size < 20_000);
  const { journal: next, content } = await RelayJournal.open(dir, fail);
  t.strictSame(content.held, [heldFor('kept')]);
  await next.close();
});

t.test('the queue has the last of each alert, and knows its size', async (t) => {
  const queue = new Queue();
  const put = (more = {}) => queue.put(deliveryOf('a', alertFor('a', more), new FakeClock(), false));
  const first = put();
  t.equal(put({ endsAt: 'moves' }), first, 'the same again');
  const resolved = put({ status: 'resolved', endsAt: '2026-11-21T07:05:00Z' });
  t.not(resolved, first);
  t.strictSame([queue.length, queue.has(first), queue.has(resolved)], [1, false, true]);
  t.equal(queue.remove(first), false, 'an old one takes nothing away');
  t.strictSame(queue.of('a'), [resolved]);
  const fresh = put({ startsAt: '2026-11-21T08:00:00Z' });
  t.strictSame(queue.all(), [fresh], 'it fires anew');
  t.equal(queue.bytes, fresh.bytes);
  t.equal(queue.remove(fresh), true);
  t.strictSame([queue.length, queue.bytes, queue.instances()], [0, 0, []]);
});
