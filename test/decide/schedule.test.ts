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

t.test('lists and ranges over the changes of the clocks', async (t) => {
  const berlin = (cron: string, since: string, now: string) => lastDue(cron, 'Europe/Berlin', utc(since), utc(now));
  const lists = ['30 2,14 * * *', '30-45 2 * * *', '30,45 2 * * *'];
  for (const cron of lists) {
    // 2027-03-28: 02:00 to 03:00 does not exist, which is at 01:00 UTC.
    t.equal(berlin(cron, '2027-03-28T00:00:00', '2027-03-28T00:59:59'), null, cron);
    t.equal(berlin(cron, '2027-03-28T00:00:00', '2027-03-28T01:30:00'), utc('2027-03-28T01:00:00'), `${cron}: not left out`);
    // 2027-10-31: 02:00 to 03:00 comes twice, at 00:00 and at 01:00 UTC.
    t.not(berlin(cron, '2027-10-31T00:15:00', '2027-10-31T00:50:00'), null, cron);
    t.equal(berlin(cron, '2027-10-31T01:00:00', '2027-10-31T01:59:59'), null, `${cron}: not twice`);
  }
  const next = nextOpening([{ cron: '30 2,14 * * *', duration: HOUR }], 'Europe/Berlin', utc('2027-03-27T20:00:00'));
  t.equal(next, utc('2027-03-28T01:00:00'));
  const after = nextOpening([{ cron: '30 2,14 * * *', duration: HOUR }], 'Europe/Berlin', utc('2027-10-31T00:45:00'));
  t.equal(after, utc('2027-10-31T13:30:00'));
  const open = (time: string) => isOpen({ cron: '30 2,14 * * *', duration: HOUR / 2 }, 'Europe/Berlin', utc(time));
  t.strictSame(['2027-03-28T00:59:00', '2027-03-28T01:15:00', '2027-03-28T01:30:00'].map(open), [false, true, false]);
  t.strictSame(['2027-10-31T00:45:00', '2027-10-31T01:15:00', '2027-10-31T01:45:00'].map(open), [true, false, false]);
});

t.test('what runs in steps goes by the time that passes', async (t) => {
  for (const cron of ['*/5 * * * *', '0-55/5 * * * *', '0,5,10,15,20,25,30,35,40,45,50,55 * * * *']) {
    const berlin = (since: string, now: string) => lastDue(cron, 'Europe/Berlin', utc(since), utc(now));
    for (const hour of ['2027-03-28T00', '2027-03-28T01', '2027-10-31T00', '2027-10-31T01', '2027-10-31T02']) {
      t.equal(berlin(`${hour}:31:00`, `${hour}:36:00`), utc(`${hour}:35:00`), `${cron} at ${hour}`);
    }
  }
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
