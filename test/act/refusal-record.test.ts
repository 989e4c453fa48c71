import t from 'tap';
import { RefusalRecord } from '../../src/act/refusal-record.js';
import type { Incident } from '../../src/act/incident.js';
import { HOUR, MINUTE, NOW, SECOND } from '../decide/support.js';
import { incidentOf } from './support.js';

const alert = (fingerprint: string) => ({ fingerprint, startsAtMs: NOW, endsAtMs: null });
const refused = (id: string, more: Partial<Pick<Incident, 'asked' | 'origin' | 'alert'>> = {}) =>
  incidentOf({ id, action: 'refuse', reason: 'cooldown', ...more });

t.test('what is asked for again and again is one story, however long it lasts', async (t) => {
  const record = new RefusalRecord();
  t.equal(record.alreadyTold(refused('first'), 0), null);
  for (let at = 5 * SECOND; at < 2 * HOUR; at += 5 * MINUTE) {
    t.match(record.alreadyTold(refused('next'), at), { id: 'first' });
  }
});

t.test('what nobody has asked for in between is news', async (t) => {
  const record = new RefusalRecord();
  const scheduled = (id: string) => refused(id, { asked: 'schedule', origin: 'schedule' });
  t.equal(record.alreadyTold(scheduled('monday'), 0), null);
  t.equal(record.alreadyTold(scheduled('tuesday'), 24 * HOUR), null);
  t.match(record.alreadyTold(scheduled('tuesday, again'), 24 * HOUR + SECOND), { id: 'tuesday' });
});

t.test('an alert is one story until it is another', async (t) => {
  const record = new RefusalRecord();
  const byAlert = (id: string, fingerprint: string) => refused(id, { origin: 'alertmanager', alert: alert(fingerprint) });
  t.equal(record.alreadyTold(byAlert('first', 'f1'), 0), null);
  t.match(record.alreadyTold(byAlert('repeated', 'f1'), 4 * HOUR), { id: 'first' });
  t.equal(record.alreadyTold(byAlert('second', 'f2'), 5 * HOUR), null);
  t.match(record.alreadyTold(byAlert('third', 'f3'), 5 * HOUR + SECOND), { id: 'second' }, 'unless it comes at once');
});
