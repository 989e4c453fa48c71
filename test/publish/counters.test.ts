import t from 'tap';
import { RESULTS } from '../../src/act/incident.js';
import { DEATH_REASONS } from '../../src/decide/death.js';
import { REFUSALS, RESTART_REASONS } from '../../src/decide/decision.js';
import { Counters } from '../../src/publish/counters.js';
import { deathOf, incidentOf } from '../act/support.js';
import { HOUR, NOW, SECOND } from '../decide/support.js';
import { freshCounters, linesOf, page } from './support.js';

const pageOf = (counters: Counters) => page([{ name: 'counters', collect: () => counters.families() }]);
const lines = async (counters: Counters, about: string) => linesOf(await pageOf(counters), about);
const changed = async (counters: Counters) =>
  linesOf(await pageOf(counters)).filter((line) => !line.startsWith('#') && !line.endsWith(' 0') && line !== '');

t.test('every series that is known beforehand starts at 0', async (t) => {
  const counters = freshCounters('shop', 'api');
  t.strictSame(await changed(counters), []);
  const found = await lines(counters, '{');
  for (const app of ['shop', 'api']) {
    for (const reason of RESTART_REASONS) {
      for (const result of RESULTS) {
        t.ok(found.includes(`heapwarden_restarts_total{app="${app}",reason="${reason}",result="${result}"} 0`));
      }
    }
    for (const refusal of REFUSALS) {
      t.ok(found.includes(`heapwarden_restart_refusals_total{app="${app}",refusal="${refusal}"} 0`));
    }
    for (const reason of DEATH_REASONS) {
      t.ok(found.includes(`heapwarden_out_of_memory_deaths_total{app="${app}",reason="${reason}"} 0`));
    }
    t.ok(found.includes(`heapwarden_restart_duration_seconds_count{app="${app}"} 0`));
  }
  for (const decision of ['restart', 'ignored', 'resolved', 'invalid', ...REFUSALS]) {
    t.ok(found.includes(`heapwarden_alerts_received_total{decision="${decision}"} 0`), decision);
  }
  t.ok(found.includes('heapwarden_restart_refusals_total{app="",refusal="unknown_app"} 0'));
  t.ok((await lines(counters, 'journal_errors')).includes('heapwarden_journal_errors_total 0'));
});

t.test('a restart counts when it has its outcome', async (t) => {
  const counters = freshCounters('shop');
  const restart = incidentOf({ id: 'a', reason: 'heap' });
  counters.incident({ ...restart, outcome: null }, true);
  t.strictSame(await changed(counters), []);
  counters.incident({ ...restart, outcome: { ...restart.outcome!, atMs: NOW + 3 * SECOND } }, true);
  t.strictSame(await changed(counters), [
    'heapwarden_restarts_total{app="shop",reason="heap",result="recovered"} 1',
    ...[5, 10, 20, 30, 60, 120, 300, '+Inf'].map((le) => {
      return `heapwarden_restart_duration_seconds_bucket{le="${le}",app="shop"} 1`;
    }),
    'heapwarden_restart_duration_seconds_sum{app="shop"} 3',
    'heapwarden_restart_duration_seconds_count{app="shop"} 1',
  ]);
});

t.test('the duration is that of restarts that got ready under our eyes', async (t) => {
  const counters = freshCounters('shop');
  const { outcome } = incidentOf({ id: 'a' });
  counters.incident(incidentOf({ id: 'a', outcome: { ...outcome!, interrupted: true } }), true);
  counters.incident(incidentOf({ id: 'b', outcome: { ...outcome!, result: 'not_ready' } }), true);
  t.strictSame(await changed(counters), [
    'heapwarden_restarts_total{app="shop",reason="rss",result="recovered"} 1',
    'heapwarden_restarts_total{app="shop",reason="rss",result="not_ready"} 1',
  ]);
});

t.test('and not by a clock that somebody sets meanwhile', async (t) => {
  const counters = new Counters();
  const outcome = { ...incidentOf({ id: 'x' }).outcome!, atMs: NOW - HOUR, tookMs: 3000 };
  counters.incident(incidentOf({ id: 'a', atMs: NOW, outcome }), true);
  t.strictSame(await lines(counters, 'restart_duration_seconds_sum'), ['heapwarden_restart_duration_seconds_sum{app="shop"} 3']);
});

t.test('refusals, alerts and journal errors', async (t) => {
  const counters = freshCounters('shop');
  const refusal = incidentOf({ id: 'a', action: 'refuse', reason: 'cooldown', outcome: null });
  counters.incident(refusal, true);
  counters.incident(refusal, true);
  counters.alert('duplicate');
  counters.journalError();
  t.strictSame(await changed(counters), [
    'heapwarden_restart_refusals_total{app="shop",refusal="cooldown"} 2',
    'heapwarden_alerts_received_total{decision="duplicate"} 1',
    'heapwarden_journal_errors_total 1',
  ]);
});

t.test('names that nobody configured make no series', async (t) => {
  const counters = freshCounters('shop');
  const before = (await pageOf(counters)).split('\n').length;
  for (let i = 0; i < 50; i++) {
    const app = `made up ${i}`;
    counters.incident(incidentOf({ id: 'a', app, action: 'refuse', reason: 'unknown_app', outcome: null }), false);
  }
  t.equal((await pageOf(counters)).split('\n').length, before);
  t.strictSame(await changed(counters), ['heapwarden_restart_refusals_total{app="",refusal="unknown_app"} 50']);
});

t.test('a reload brings new apps and takes nothing away', async (t) => {
  const counters = freshCounters('shop');
  counters.incident(incidentOf({ id: 'a' }), true);
  const before = await changed(counters);
  t.ok(before.length > 3);
  counters.expect(['shop', 'new']);
  t.strictSame(await changed(counters), before);
  t.ok((await lines(counters, 'app="new"')).length > 0);
});

t.test('restarts are counted on from the journal', async (t) => {
  const counters = new Counters();
  const { outcome } = incidentOf({ id: 'x' });
  const recorded = [
    incidentOf({ id: 'a' }),
    incidentOf({ id: 'b', reason: 'heap', outcome: { ...outcome!, result: 'failed' } }),
    incidentOf({ id: 'c', outcome: null }),
    incidentOf({ id: 'd', action: 'refuse', reason: 'cooldown', outcome: null }),
    incidentOf({ id: 'e', app: 'of a later reload' }),
    incidentOf({ id: 'f', app: 'no longer configured' }),
  ];
  counters.expect(['shop'], recorded);
  t.strictSame(await changed(counters), [
    'heapwarden_restarts_total{app="shop",reason="rss",result="recovered"} 1',
    'heapwarden_restarts_total{app="shop",reason="heap",result="failed"} 1',
  ]);
  counters.expect(['shop', 'of a later reload'], recorded);
  t.equal((await changed(counters)).length, 3, 'an app that a reload brings is counted on, and the others not twice');
});

t.test('and from what the journal does not remember any more', async (t) => {
  const counters = new Counters([
    { app: 'shop', reason: 'rss', result: 'recovered', count: 300 },
    { app: 'shop', reason: 'oom_heap', result: null, count: 2 },
    { app: 'gone', reason: 'rss', result: 'recovered', count: 7 },
  ]);
  for (let i = 0; i < 2; i++) counters.expect(['shop'], [incidentOf({ id: 'a' })]);
  t.strictSame(await changed(counters), [
    'heapwarden_restarts_total{app="shop",reason="rss",result="recovered"} 301',
    'heapwarden_out_of_memory_deaths_total{app="shop",reason="oom_heap"} 2',
  ]);
});

t.test('a death for want of memory is counted, and counted on from the journal', async (t) => {
  const counters = new Counters();
  const died = 'heapwarden_out_of_memory_deaths_total{app="shop",reason="oom_heap"}';
  counters.expect(['shop'], [deathOf({ id: 'a' }), incidentOf({ id: 'b', outcome: null }), deathOf({ id: 'c', app: 'other' })]);
  t.strictSame(await changed(counters), [`${died} 1`]);
  counters.death(deathOf({ id: 'd' }));
  t.strictSame(await changed(counters), [`${died} 2`]);
});
