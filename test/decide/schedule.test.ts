import t from 'tap';
import { isOpen, lastDue, nextOpening } from '../../src/decide/schedule.js';
import { HOUR } from './support.js';

const at = (time: string): number => new Date(`2026-03-10T${time}`).getTime(); // local time, as cron has it
const utc = (time: string): number => Date.parse(`${time}Z`);

t.test('due once between two looks', async (t) => {
  const due = (since: string, now: string) => lastDue('0 6 * * *', undefined, at(since), at(now));
  t.equal(due('05:59:50', '05:59:59.999'), null);
  t.equal(due('05:59:59.999', '06:00:00'), at('06:00:00'), 'at the very moment');
  t.equal(due('06:00:00', '06:00:05'), null, 'not a second time');
  t.equal(due('05:00:00', '09:00:00'), at('06:00:00'), 'late, where the look was late');
});

t.test('a clock that was set back makes nothing due', async (t) => {
  t.equal(lastDue('0 6 * * *', undefined, at('06:30:00'), at('05:30:00')), null);
  t.equal(lastDue('0 6 * * *', undefined, at('06:30:00'), at('06:10:00')), null, 'nor again');
});

t.test('of many that were missed, the last', async (t) => {
  const lastWeek = at('06:30:00') - 7 * 24 * HOUR;
  t.equal(lastDue('0 6 * * *', undefined, lastWeek, at('09:00:00')), at('06:00:00'));
});

t.test('in a time zone, and over its change to summer time', async (t) => {
  const berlin = (since: string, now: string) => lastDue('30 2 * * *', 'Europe/Berlin', utc(since), utc(now));
  t.equal(berlin('2026-03-27T12:00:00', '2026-03-28T12:00:00'), utc('2026-03-28T01:30:00'));
  t.equal(berlin('2026-03-29T12:00:00', '2026-03-30T12:00:00'), utc('2026-03-30T00:30:00'), 'an hour earlier by UTC');
  const night = berlin('2026-03-28T12:00:00', '2026-03-29T12:00:00'); // 02:30 does not exist in this one
  t.ok(night !== null && night >= utc('2026-03-29T00:30:00') && night <= utc('2026-03-29T01:30:00'), 'it is not left out');
  t.equal(lastDue('30 2 * * *', 'UTC', utc('2026-03-28T02:00:00'), utc('2026-03-28T02:00:00')), null);
});

t.test('a window is open from its time on for as long as it lasts', async (t) => {
  const night = { cron: '0 2 * * *', duration: 3 * HOUR };
  const open = (time: string) => isOpen(night, 'UTC', utc(`2026-03-10T${time}`));
  t.strictSame(['01:59:59', '02:00:00', '04:59:59', '05:00:00'].map(open), [false, true, true, false]);
  const late = { cron: '0 23 * * *', duration: 3 * HOUR };
  t.equal(isOpen(late, 'UTC', utc('2026-03-10T01:00:00')), true, 'over midnight');
  t.equal(isOpen(night, 'Asia/Tokyo', utc('2026-03-09T17:30:00')), true);
  t.equal(nextOpening([night, late], 'UTC', utc('2026-03-10T12:00:00')), utc('2026-03-10T23:00:00'), 'the first of them');
});
