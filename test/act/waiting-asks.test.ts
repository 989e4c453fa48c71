import t from 'tap';
import { WaitingAsks } from '../../src/act/waiting-asks.js';
import { REFUSALS, type Reason } from '../../src/decide/decision.js';
import { NOW, askOf, workerOf } from '../decide/support.js';
import { incidentOf } from './support.js';

const alert = (fingerprint: string) => ({ fingerprint, startsAtMs: NOW, endsAtMs: null });
const byAlert = askOf({ origin: 'alertmanager', alert: alert('f1') });
const refused = (reason: Reason) => ({ action: 'refuse', reason, incident: null }) as const;
const nothing = { find: () => null };

t.test('what was refused only for now waits, the rest does not', async (t) => {
  const waits = REFUSALS.filter((reason) => {
    const waiting = new WaitingAsks(nothing);
    waiting.answered(byAlert, refused(reason));
    return waiting.list().length === 1;
  });
  t.strictSame(waits, [
    'paused', 'in_progress', 'outside_window', 'startup_grace', 'cooldown', 'budget', 'min_available', 'ineffective',
  ]);
});

t.test('a freeze that is not measured yet waits: what excuses the silence may end before it does', async (t) => {
  const waiting = new WaitingAsks(nothing);
  const frozen = { ...byAlert, reason: 'freeze' } as const;
  for (const ask of [frozen, byAlert]) waiting.answered(ask, refused('not_breaching'));
  t.strictSame(waiting.list(), [frozen]);
  waiting.resolved(alert('f1'));
  t.strictSame(waiting.list(), []);
});

t.test('until it is done, void or resolved', async (t) => {
  const waiting = new WaitingAsks(nothing);
  const other = askOf({ origin: 'alertmanager', worker: '1', alert: alert('f2') });
  const scheduled = askOf({ origin: 'schedule', reason: 'schedule' });
  for (const ask of [byAlert, other, scheduled]) waiting.answered(ask, refused('cooldown'));
  t.strictSame(waiting.list(), [byAlert, other, scheduled]);
  const repeated = { ...byAlert, alert: { ...alert('f1'), endsAtMs: NOW + 1 } };
  waiting.answered(repeated, refused('budget'));
  t.strictSame(waiting.list(), [repeated, other, scheduled], 'one of a kind, the latest');
  waiting.resolved(alert('f3'));
  waiting.resolved({ ...alert('f2'), startsAtMs: NOW - 2, endsAtMs: NOW - 1 });
  t.strictSame(waiting.list(), [repeated, other, scheduled], 'another alert, or this one an earlier time');
  waiting.resolved(alert('f2'));
  waiting.answered(repeated, { action: 'restart', reason: 'rss', incident: 'i1' });
  t.strictSame(waiting.list(), [scheduled]);
  waiting.answered(scheduled, refused('already_restarted'));
  t.strictSame(waiting.list(), []);
});

t.test('alerts without end do not wait without end', async (t) => {
  const waiting = new WaitingAsks(nothing);
  for (let i = 0; i < 1000; i++) waiting.answered(askOf({ ...byAlert, alert: alert(`f${i}`) }), refused('budget'));
  t.equal(waiting.list().length, 1);
});

t.test('a restart that is cancelled when its turn comes has answered nothing', async (t) => {
  const restart = incidentOf({ id: 'i1', outcome: null });
  const waiting = new WaitingAsks({ find: (id) => (id === 'i1' ? restart : null) });
  const asked = { action: 'restart', reason: 'rss', incident: 'i1' } as const;
  const ended = incidentOf({ id: '' }).outcome!;
  waiting.answered(byAlert, asked);
  t.strictSame(waiting.list(), [], 'it is under way');
  restart.outcome = { ...ended, result: 'cancelled' };
  t.strictSame(waiting.list(), [byAlert]);
  waiting.resolved(alert('f1'));
  t.strictSame(waiting.list(), [], 'unless that is why');
  for (const result of ['recovered', 'failed', 'not_ready', 'ineffective'] as const) {
    waiting.answered(byAlert, asked);
    restart.outcome = { ...ended, result };
    t.strictSame(waiting.list(), [], result);
    t.notOk(waiting.hasAlert({ worker: workerOf(), resource: 'rss', value: 1, since: 0 }), 'and is let go');
  }
});
