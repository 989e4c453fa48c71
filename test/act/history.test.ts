import t from 'tap';
import { History } from '../../src/act/history.js';
import { Journal } from '../../src/act/journal.js';
import { HOUR, MINUTE, NOW } from '../decide/support.js';
import { incidentOf } from './support.js';

const ALERT = { fingerprint: 'f1', startsAtMs: NOW - MINUTE, endsAtMs: null };
const failed = { ...incidentOf({ id: 'x' }).outcome!, result: 'failed' } as const;

t.test('cooldown, budget and answered alerts outlive the warden', async (t) => {
  const dir = t.testdir();
  const { journal } = await Journal.open(dir);
  await journal.record(incidentOf({ id: 'a', atMs: NOW - 50 * MINUTE, outcome: null }));
  await journal.record(incidentOf({ id: 'b', atMs: NOW - 40 * MINUTE, alert: ALERT, outcome: null }));
  await journal.record(incidentOf({ id: 'c', atMs: NOW - 30 * MINUTE, worker: '1' }));
  const refusal = { action: 'refuse', reason: 'cooldown', outcome: null } as const;
  await journal.record(incidentOf({ id: 'd', atMs: NOW - MINUTE, ...refusal }));
  await journal.record(incidentOf({ id: 'e', atMs: NOW - MINUTE, app: 'api' }));
  await journal.close();

  const reopened = await Journal.open(dir);
  t.teardown(() => reopened.journal.close());
  const history = new History(reopened.content.incidents);
  t.equal(history.lastRestart('shop', '0')?.atMs, NOW - 40 * MINUTE, 'a refusal is no restart');
  t.equal(history.lastRestart('shop', '2'), null);
  t.equal(history.restartsSince('shop', NOW - HOUR), 3);
  t.ok(history.hasAnswered(ALERT, 'shop', '0'));
  t.strictSame(history.open().map(({ id }) => id), ['a', 'b'], 'these were cut off; a refusal has nothing to complete');
});

t.test('a restart leaves the budget when its window has passed it', async (t) => {
  const history = new History([incidentOf({ id: 'a', atMs: NOW })]);
  const budget = { count: 3, windowMs: HOUR };
  t.equal(history.budgetLeft('shop', budget, NOW), 2);
  t.equal(history.budgetLeft('shop', budget, NOW + HOUR - 1), 2);
  t.equal(history.budgetLeft('shop', budget, NOW + HOUR), 3);
  t.equal(history.budgetLeft('api', budget, NOW), 3, 'each app has its own');
  t.equal(history.budgetLeft('shop', { count: 0, windowMs: HOUR }, NOW), 0, 'never less than none');
});

t.test('an alert is answered by a restart of its worker that did not fail', async (t) => {
  const answered = (change: Partial<Parameters<typeof incidentOf>[0]>, alert = ALERT) =>
    new History([incidentOf({ id: 'a', alert: ALERT, ...change })]).hasAnswered(alert, 'shop', '0');
  t.equal(answered({}), true);
  t.equal(answered({ outcome: null }), true, 'while it is under way');
  t.equal(answered({ outcome: { ...failed, result: 'not_ready' } }), true);
  t.equal(answered({ outcome: { ...failed, result: 'ineffective' } }), true);
  t.equal(answered({ outcome: failed }), false);
  t.equal(answered({ worker: '1' }), false);
  t.equal(answered({ app: 'api' }), false);
  t.equal(answered({ alert: null }), false);
  t.equal(answered({ action: 'refuse', reason: 'cooldown', outcome: null }), false);
  t.equal(answered({}, { ...ALERT, startsAtMs: NOW }), false, 'it fires for the second time');
  t.equal(answered({}, { ...ALERT, fingerprint: 'f2' }), false);
  t.equal(answered({}, { ...ALERT, startsAtMs: ALERT.startsAtMs }), true);
});

t.test('lists the newest first', async (t) => {
  const history = new History([incidentOf({ id: 'a' }), incidentOf({ id: 'b', app: 'api' }), incidentOf({ id: 'c' })]);
  const ids = (filter: Parameters<typeof history.list>[0]) => history.list(filter).map(({ id }) => id);
  t.strictSame(ids({ limit: 10 }), ['c', 'b', 'a']);
  t.strictSame(ids({ limit: 2 }), ['c', 'b']);
  t.strictSame(ids({ app: 'shop', limit: 10 }), ['c', 'a']);
  t.strictSame(ids({ app: 'shop', limit: 1 }), ['c']);
  t.strictSame(ids({ limit: Infinity }), ['c', 'b', 'a']);
  history.withdraw('c');
  t.strictSame(ids({ limit: 10 }), ['b', 'a']);
});

t.test('a flood of refusals costs no memory and no budget', async (t) => {
  const history = new History([incidentOf({ id: 'a' })]);
  for (let i = 0; i < 2000; i++) {
    history.add(incidentOf({ id: `r${i}`, app: `app ${i}`, action: 'refuse', reason: 'unknown_app', outcome: null }));
  }
  t.equal(history.list({ limit: Infinity }).length, 1001);
  t.equal(history.restartsSince('shop', NOW - 1), 1);
});
