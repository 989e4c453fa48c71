import t from 'tap';
import { AppNotes } from '../../src/act/app-notes.js';
import { History } from '../../src/act/history.js';
import { Journal } from '../../src/act/journal.js';
import { Schedules } from '../../src/act/schedules.js';
import { HOUR, MINUTE, appOf, workerOf, workersOf } from '../decide/support.js';
import { FakeClock } from './support.js';

const utc = (time: string): number => Date.parse(`${time}Z`);
const WORKERS = workersOf(workerOf(), workerOf({ worker: '1' }), workerOf({ worker: '2', pid: null }), workerOf({ app: 'api' }));

t.test('one that was missed while the warden was down runs once', async (t) => {
  const dir = t.testdir();
  const clock = new FakeClock();
  const app = appOf('schedule: "0 4 * * *", time_zone: UTC');
  /** What a warden asks that starts at this time, and looks again a minute later. */
  const wardenAt = async (time: string, config = app) => {
    clock.nowMs = utc(time);
    const { journal, content } = await Journal.open(dir);
    const schedules = new Schedules(new AppNotes(new History(content.incidents, clock, content.apps), journal), clock);
    const asks = [];
    for (let look = 0; look < 2; look++, clock.nowMs += MINUTE) asks.push(...(await schedules.due([config], WORKERS)));
    await journal.close();
    return asks.map(({ app: name, worker, reason, origin, dueAtMs }) => ({ name, worker, reason, origin, dueAtMs }));
  };
  t.strictSame(await wardenAt('2026-03-10T12:00:00'), [], 'new: it counts from now on');
  t.strictSame(await wardenAt('2026-03-10T20:00:00'), [], 'nothing was missed');
  const dueAtMs = utc('2026-03-14T04:00:00');
  const common = { name: 'shop', reason: 'schedule', origin: 'schedule', dueAtMs };
  t.strictSame(await wardenAt('2026-03-14T15:00:00'), [{ ...common, worker: '0' }, { ...common, worker: '1' }], 'four times');
  t.strictSame(await wardenAt('2026-03-14T15:05:00'), [], 'not again by the next one');
  const later = appOf('schedule: "0 15 * * *", time_zone: UTC');
  t.strictSame(await wardenAt('2026-03-14T23:00:00', later), [], 'another expression counts from now on');
  t.equal((await wardenAt('2026-03-15T15:00:00', later)).length, 2);
});

t.test('a clock that jumps makes nothing due twice', async (t) => {
  const clock = new FakeClock();
  const history = new History([], clock);
  const schedules = new Schedules(new AppNotes(history, { note: async () => {} }), clock);
  const app = appOf('schedule: "0 4 * * *", time_zone: UTC');
  clock.nowMs = utc('2026-03-10T03:30:00');
  t.equal((await schedules.due([app], WORKERS)).length, 0);
  clock.nowMs += HOUR; // to 04:30
  t.equal((await schedules.due([app], WORKERS)).length, 2, 'its time was jumped over');
  clock.nowMs -= HOUR;
  for (let minutes = 0; minutes < 120; minutes += 10, clock.nowMs += 10 * MINUTE) {
    t.equal((await schedules.due([app], WORKERS)).length, 0);
  }
});

t.test('an intent that cannot be written asks for nothing, and is tried again', async (t) => {
  const clock = new FakeClock();
  const history = new History([], clock);
  let full = false;
  const note = async () => {
    if (full) throw new Error('no room');
  };
  const schedules = new Schedules(new AppNotes(history, { note }), clock);
  const app = appOf('schedule: "0 4 * * *", time_zone: UTC');
  clock.nowMs = utc('2026-03-10T03:59:00');
  await schedules.due([app], WORKERS);
  clock.nowMs += 2 * MINUTE;
  full = true;
  await t.rejects(schedules.due([app], WORKERS), { message: 'no room' });
  full = false;
  t.equal((await schedules.due([app], WORKERS)).length, 2);
});
