import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { NestedProcess } from '../../src/observe/inner-pid.js';
import { Strangers } from '../../src/observe/strangers.js';

const SHOP = { pid: 1, pid_namespace: 7, start: 5000 };
const SHOP_OUTSIDE = { pid: 700, innerPid: 1, start: 5000, namespace: 7 };

/** Looks and rests that end when the test says so. */
function strangers() {
  const looks: ((found: NestedProcess[]) => void)[] = [];
  const rests: { ms: number; end(): void }[] = [];
  const sleep = (ms: number) => new Promise<void>((resolve) => rests.push({ ms, end: resolve }));
  const clock = { now: () => 0, monotonic: () => 0, sleep };
  const made = new Strangers(clock, () => new Promise((resolve) => looks.push(resolve)));
  return { looks, rests, find: (stillWaits = () => true, who = SHOP) => made.find(who, stillWaits) };
}

t.test('one look is for all who wait when it begins', async (t) => {
  const { looks, rests, find } = strangers();
  const all = Array.from({ length: 10_000 }, (_, i) => find(undefined, { ...SHOP, pid: 1 + (i % 2) }));
  await turn();
  t.equal(looks.length, 1);
  const later = [find(), find()];
  await turn();
  t.equal(looks.length, 1, 'one under way');
  looks[0]!([SHOP_OUTSIDE]);
  const found = await Promise.all(all);
  t.strictSame([found[0], found[1], found[9998]], [[700], [], [700]], 'each is told of itself');
  await turn();
  t.equal(looks.length, 1, 'the next one comes after a rest');
  t.strictSame(rests.map(({ ms }) => ms), [250]);
  rests[0]!.end();
  await turn();
  looks[1]!([]);
  t.strictSame(await Promise.all(later), [[], []]);
  t.equal(looks.length, 2);
});

t.test('nothing is read for those who have gone', async (t) => {
  const { looks, rests, find } = strangers();
  let isThere = true;
  const first = find();
  await turn();
  const gone = Array.from({ length: 100 }, () => find(() => isThere));
  looks[0]!([SHOP_OUTSIDE]);
  await first;
  isThere = false;
  rests[0]!.end();
  t.strictSame(await Promise.all(gone), gone.map(() => []));
  t.equal(looks.length, 1);
  const last = find();
  await turn();
  looks[1]!([SHOP_OUTSIDE]);
  t.strictSame(await last, [700], 'whoever comes after them is looked for');
});
