import t from 'tap';
import { WaitingAsks } from '../../src/act/waiting-asks.js';
import { REFUSALS, type Reason } from '../../src/decide/decision.js';
import { NOW, askOf } from '../decide/support.js';

const alert = (fingerprint: string) => ({ fingerprint, startsAtMs: NOW, endsAtMs: null });
const byAlert = askOf({ origin: 'alertmanager', alert: alert('f1') });
const refused = (reason: Reason) => ({ action: 'refuse', reason }) as const;

t.test('what was refused only for now waits, the rest does not', async (t) => {
  const waits = REFUSALS.filter((reason) => {
    const waiting = new WaitingAsks();
    waiting.answered(byAlert, refused(reason));
    return waiting.list().length === 1;
  });
  t.strictSame(waits, [
    'paused', 'in_progress', 'outside_window', 'startup_grace', 'cooldown', 'budget', 'min_available', 'ineffective',
  ]);
});

t.test('until it is done, void or resolved', async (t) => {
  const waiting = new WaitingAsks();
  const other = askOf({ origin: 'alertmanager', worker: '1', alert: alert('f2') });
  const scheduled = askOf({ origin: 'schedule', reason: 'schedule' });
  for (const ask of [byAlert, other, scheduled]) waiting.answered(ask, refused('cooldown'));
  t.strictSame(waiting.list(), [byAlert, other, scheduled]);
  const repeated = { ...byAlert, alert: { ...alert('f1'), endsAtMs: NOW + 1 } };
  waiting.answered(repeated, refused('budget'));
  t.strictSame(waiting.list(), [repeated, other, scheduled], 'one of a kind, the latest');
  waiting.resolved('f3');
  waiting.resolved('f2');
  waiting.answered(repeated, { action: 'restart', reason: 'rss' });
  t.strictSame(waiting.list(), [scheduled]);
  waiting.answered(scheduled, refused('already_restarted'));
  t.strictSame(waiting.list(), []);
});

t.test('alerts without end do not wait without end', async (t) => {
  const waiting = new WaitingAsks();
  for (let i = 0; i < 1000; i++) waiting.answered(askOf({ ...byAlert, alert: alert(`f${i}`) }), refused('budget'));
  t.equal(waiting.list().length, 1);
});
