import t from 'tap';
import { History } from '../../src/act/history.js';
import type { AppState } from '../../src/act/app-state.js';
import { Journal } from '../../src/act/journal.js';
import type { Incident } from '../../src/act/incident.js';
import { HOUR, MINUTE, NOW } from '../decide/support.js';
import { FakeClock, incidentOf } from './support.js';

const historyOf = (...incidents: Incident[]) => new History(incidents, new FakeClock());

const ALERT = { fingerprint: 'f1', startsAtMs: NOW - MINUTE, endsAtMs: null };
const OUTCOME = incidentOf({ id: 'x' }).outcome!;
const failed = { ...OUTCOME, result: 'failed' } as const;

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
  const history = new History(reopened.content.incidents, new FakeClock());
  t.equal(history.lastRestart('shop', '0')?.atMs, NOW - 40 * MINUTE, 'a refusal is no restart');
  t.equal(history.lastRestart('shop', '2'), null);
  t.equal(history.restartsWithin('shop', HOUR), 3);
  t.ok(history.hasAnswered(ALERT, 'shop', '0'));
  t.strictSame(history.open().map(({ id }) => id), ['a', 'b'], 'these were cut off; a refusal has nothing to complete');
});

t.test('a restart leaves the budget when its window has passed it', async (t) => {
  const clock = new FakeClock();
  const history = new History([incidentOf({ id: 'a', atMs: NOW })], clock);
  const budget = { count: 3, windowMs: HOUR };
  t.equal(history.budgetLeft('shop', budget), 2);
  t.equal(history.budgetLeft('api', budget), 3, 'each app has its own');
  t.equal(history.budgetLeft('shop', { count: 0, windowMs: HOUR }), 0, 'never less than none');
  clock.nowMs += HOUR - 1;
  t.equal(history.budgetLeft('shop', budget), 2);
  clock.nowMs += 1;
  t.equal(history.budgetLeft('shop', budget), 3);
});

t.test('an alert is answered by a restart of its worker that did not fail', async (t) => {
  const answered = (change: Partial<Parameters<typeof incidentOf>[0]>, alert = ALERT) =>
    historyOf(incidentOf({ id: 'a', alert: ALERT, ...change })).hasAnswered(alert, 'shop', '0');
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
  const history = historyOf(incidentOf({ id: 'a' }), incidentOf({ id: 'b', app: 'api' }), incidentOf({ id: 'c' }));
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
  const history = historyOf(incidentOf({ id: 'a' }));
  for (let i = 0; i < 2000; i++) {
    history.add(incidentOf({ id: `r${i}`, app: `app ${i}`, action: 'refuse', reason: 'unknown_app', outcome: null }));
  }
  t.ok(history.list({ limit: Infinity }).length <= 1201);
  t.equal(history.restartsWithin('shop', HOUR), 1);
});

t.test('restarts in a row that did not help', async (t) => {
  const outcome = incidentOf({ id: 'x' }).outcome!;
  const after = (change: object) => ({ ...outcome, ...change });
  const useless = (id: string, change: Partial<Incident> = {}) =>
    incidentOf({ id, outcome: after({ result: 'ineffective' }), ...change } as Incident);
  const relapsed = (id: string) => incidentOf({ id, outcome: after({ relapsedAtMs: NOW + MINUTE }) });
  const inARow = (incidents: Incident[], state?: Partial<AppState>) => {
    const apps = new Map(state ? [['shop', { pause: null, freshSinceMs: null, schedule: null, ...state }]] : []);
    return new History(incidents, new FakeClock(), apps).fruitless('shop', '0').map(({ id }) => id);
  };
  t.strictSame(inARow([useless('a'), relapsed('b'), useless('c')]), ['c', 'b', 'a'], 'newest first');
  t.strictSame(inARow([useless('a'), incidentOf({ id: 'good' }), useless('c')]), ['c'], 'one has helped');
  const others = [
    useless('b', { worker: '1' }),
    useless('c', { app: 'api' }),
    incidentOf({ id: 'd', outcome: null }),
    incidentOf({ id: 'e', outcome: after({ result: 'failed' }) }),
    incidentOf({ id: 'f', outcome: after({ result: 'not_ready' }) }),
    incidentOf({ id: 'g', outcome: after({ result: 'cancelled' }) }),
    incidentOf({ id: 'h', asked: 'schedule', origin: 'schedule' }),
    incidentOf({ id: 'i', action: 'refuse', reason: 'budget', outcome: null }),
  ];
  t.strictSame(inARow([useless('a'), ...others]), ['a'], 'these say nothing of it');
  t.strictSame(inARow([useless('a'), incidentOf({ id: 'p', origin: 'api', asked: 'manual' }), useless('c')]), ['c']);
  t.strictSame(inARow([useless('a'), useless('p', { origin: 'api', force: true }), useless('c')]), ['c']);
  t.strictSame(inARow([useless('a'), useless('b', { origin: 'api' })]), ['b', 'a'], 'a program is no person');
  const atMs = NOW - 1;
  t.strictSame(inARow([useless('a', { atMs }), useless('b')], { freshSinceMs: atMs }), ['b'], 'a new release');
});

t.test("a person's word by a clock that ran ahead forgives what came before it, and no more", async (t) => {
  let monotonic = 0;
  const clock = Object.assign(new FakeClock(), { monotonic: () => monotonic });
  const useless = (id: string) => incidentOf({ id, atMs: clock.nowMs, outcome: { ...OUTCOME, result: 'ineffective' } });
  const resumed = { pause: null, freshSinceMs: NOW + 24 * HOUR, schedule: null };
  const fruitlessThen = (history: History) => {
    for (const id of ['b', 'c', 'd']) {
      monotonic += MINUTE;
      clock.nowMs += MINUTE;
      history.setState('shop', { ...resumed, schedule: { cron: '0 4 * * *', seenMs: clock.nowMs } });
      history.add(useless(id));
    }
    return history.fruitless('shop', '0').map(({ id }) => id);
  };
  const history = new History([useless('a')], clock);
  monotonic += MINUTE;
  clock.nowMs += 24 * HOUR;
  history.setState('shop', resumed);
  clock.nowMs = NOW;
  t.strictSame(fruitlessThen(history), ['d', 'c', 'b']);
  clock.nowMs = NOW;
  t.strictSame(fruitlessThen(new History([useless('a')], clock, new Map([['shop', resumed]]))), ['d', 'c', 'b'], 'read from disk');
});

t.test('ages do not follow the time of day', async (t) => {
  let monotonic = 0;
  const clock = Object.assign(new FakeClock(), { monotonic: () => monotonic });
  const history = new History([incidentOf({ id: 'a', atMs: NOW - MINUTE, outcome: { ...OUTCOME, atMs: NOW - MINUTE } })], clock);
  t.equal(history.sinceLastRestart('shop', '0'), MINUTE, 'at the start there is only the time of day to go by');
  history.add(incidentOf({ id: 'b', atMs: NOW, outcome: { ...OUTCOME, atMs: NOW } }));
  for (const jump of [HOUR, -2 * HOUR, HOUR]) {
    clock.nowMs += jump;
    t.equal(history.sinceLastRestart('shop', '0'), 0);
    t.equal(history.restartsWithin('shop', HOUR), 2);
  }
  monotonic = 5 * MINUTE;
  t.equal(history.sinceLastRestart('shop', '0'), 5 * MINUTE);
  const fromTheFuture = new History([incidentOf({ id: 'c', atMs: NOW + HOUR })], clock);
  t.equal(fromTheFuture.sinceLastRestart('shop', '0'), 0, 'it is past, however little else is known of it');
});

t.test('the cooldown counts from the end of a restart, which may have waited for long', async (t) => {
  const clock = new FakeClock();
  const history = new History([], clock);
  history.add(incidentOf({ id: 'a', outcome: null }));
  clock.nowMs += 20 * MINUTE;
  t.equal(history.sinceLastRestart('shop', '0'), 20 * MINUTE, 'it is under way');
  const done = { ...OUTCOME, atMs: clock.nowMs };
  history.complete('a', done);
  t.equal(history.sinceLastRestart('shop', '0'), 0);
  clock.nowMs += MINUTE;
  history.complete('a', { ...done, relapsedAtMs: clock.nowMs });
  t.equal(history.sinceLastRestart('shop', '0'), MINUTE, 'a relapse is no restart');
  const next = new History([incidentOf({ id: 'a', outcome: { ...OUTCOME, atMs: clock.nowMs - MINUTE } })], clock);
  t.equal(next.sinceLastRestart('shop', '0'), MINUTE, 'for the next warden too');
});

t.test('failures are kept longest', async (t) => {
  const failure = incidentOf({ id: 'bad', outcome: failed });
  const history = historyOf(failure);
  for (let i = 0; i < 1500; i++) history.add(incidentOf({ id: `ok${i}` }));
  t.equal(history.list({ limit: Infinity }).at(-1)!.id, 'bad');
  t.notOk(history.find('ok0'));
  t.ok(history.find('ok1499'));
});

t.test('many apps that restart without end cost no more memory than some, and no other app its past', async (t) => {
  const [quiet, last] = [incidentOf({ id: 'quiet', app: 'quiet' }), 20_000];
  const history = historyOf(quiet);
  for (let i = 0; i <= last; i++) history.add(incidentOf({ id: `r${i}`, app: `app ${i % 40}` }));
  const kept = history.list({ limit: Infinity });
  t.ok(kept.length <= 10_200, `${kept.length} are kept`);
  t.ok(kept.length >= 9900, `${kept.length} are kept`);
  t.equal(kept.at(-1), quiet, 'it is the oldest of all');
  t.equal(history.budgetLeft('quiet', { count: 3, windowMs: HOUR }), 2);
  t.equal(history.lastRestart('app 0', '0')?.id, `r${last}`);
  t.ok(history.restartsWithin('app 7', HOUR) >= 249, 'the newest of each');
});
