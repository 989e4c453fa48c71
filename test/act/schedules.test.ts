import t from 'tap';
import { AppNotes } from '../../src/act/app-notes.js';
import { History } from '../../src/act/history.js';
import type { Incident } from '../../src/act/incident.js';
import { Journal } from '../../src/act/journal.js';
import { Schedules } from '../../src/act/schedules.js';
import type { AppConfig } from '../../src/config/schema.js';
import type { Ask } from '../../src/decide/decision.js';
import type { Workers } from '../../src/observe/tracker.js';
import { HOUR, MINUTE, NOW, appOf, workerOf, workersOf } from '../decide/support.js';
import { FakeClock, incidentOf } from './support.js';

const utc = (time: string): number => Date.parse(`${time}Z`);
const WORKERS = workersOf(workerOf(), workerOf({ worker: '1' }), workerOf({ worker: '2', pid: null }), workerOf({ app: 'api' }));

async function dueOf(schedules: Schedules, apps: AppConfig[], workers: Workers = WORKERS): Promise<Ask[]> {
  const asks: Ask[] = [];
  for await (const ask of schedules.due(apps, workers)) asks.push(ask);
  return asks;
}

t.test('one that was missed while the warden was down runs once', async (t) => {
  const dir = t.testdir();
  const clock = new FakeClock();
  const app = appOf('schedule: "0 4 * * *", time_zone: UTC');
  /** What a warden asks that starts at this time, and looks again a minute later. */
  const wardenAt = async (time: string, config = app) => {
    clock.nowMs = utc(time);
    const { journal, content } = await Journal.open(dir);
    const history = new History(content.incidents, clock, content.apps);
    const schedules = new Schedules(new AppNotes(history, journal), history, clock);
    const asks = [];
    for (let look = 0; look < 2; look++, clock.nowMs += MINUTE) asks.push(...(await dueOf(schedules, [config])));
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
  const elsewhere = appOf('schedule: "0 15 * * *", time_zone: America/New_York'); // 19:00 UTC in March
  t.strictSame(await wardenAt('2026-03-15T19:30:00', elsewhere), [], 'so does another time zone');
  t.strictSame(await wardenAt('2026-03-16T18:30:00', elsewhere), []);
  t.equal((await wardenAt('2026-03-16T19:30:00', elsewhere)).length, 2);
});

t.test('one that waited when the warden ended is taken up again', async (t) => {
  const dir = t.testdir();
  const clock = new FakeClock();
  const app = appOf('schedule: "0 4 * * *", time_zone: UTC');
  const dueAtMs = utc('2026-03-10T04:00:00');
  const before = { pid: 100, start: 1, startedAtMs: NOW, rssBytes: 1, heapUsedBytes: null, heapLimitBytes: null, heartbeatAtMs: null };
  const ended = incidentOf({ id: 'x' }).outcome!;
  const came = { origin: 'schedule', asked: 'schedule', reason: 'schedule', atMs: dueAtMs, before } as const;
  const refused = { ...came, action: 'refuse', outcome: null } as const;
  /** By worker: what has become of it. */
  const fates: Record<string, Partial<Incident>> = {
    budget: { ...refused, reason: 'budget' },
    paused: { ...refused, reason: 'paused' },
    queued: { ...came, outcome: { ...ended, result: 'cancelled', interrupted: true } },
    cancelled: { ...came, outcome: { ...ended, result: 'cancelled' } },
    open: { ...came, outcome: null },
    interrupted: { ...came, outcome: { ...ended, result: 'failed', interrupted: true } },
    replaced: { ...refused, reason: 'budget' },
    dry: { ...refused, reason: 'dry_run' },
    failed: { ...came, outcome: { ...ended, result: 'failed' } },
    another: { ...refused, reason: 'budget', before: { ...before, pid: 99 } },
    alerted: { ...refused, reason: 'budget', origin: 'alertmanager', asked: 'rss' },
    unasked: { ...refused, reason: 'budget', app: 'api' },
  };
  const waited = ['budget', 'paused', 'queued', 'open', 'interrupted'];
  const workers = workersOf(
    ...Object.keys(fates).map((worker) =>
      workerOf({ worker, ...(worker === 'replaced' && { startedAtMs: dueAtMs + MINUTE }) }),
    ),
  );
  type Life = { looks?: number; config?: AppConfig; meanwhile?: (journal: Journal) => Promise<void> };
  /** What a warden asks that starts at this time, in each of its looks. */
  const wardenAt = async (time: string, { looks = 2, config = app, meanwhile }: Life = {}) => {
    clock.nowMs = utc(time);
    const { journal, content } = await Journal.open(dir);
    const history = new History(content.incidents, clock, content.apps);
    const schedules = new Schedules(new AppNotes(history, journal), history, clock);
    const asked: string[][] = [];
    for (let look = 0; look < looks; look++, clock.nowMs += MINUTE) {
      const asks = await dueOf(schedules, [config], workers);
      asked.push(asks.map(({ worker, dueAtMs: meant }) => `${worker} ${new Date(meant!).toISOString().slice(8, 13)}`));
    }
    await meanwhile?.(journal);
    await journal.close();
    return asked;
  };
  const meanwhile = async (journal: Journal) => {
    for (const [worker, fate] of Object.entries(fates)) await journal.record(incidentOf({ id: worker, worker, ...fate }));
  };
  t.strictSame(await wardenAt('2026-03-10T03:58:00', { looks: 1 }), [[]], 'new');
  const all = Object.keys(fates);
  t.strictSame(await wardenAt('2026-03-10T04:00:00', { looks: 1, meanwhile }), [all.map((worker) => `${worker} 10T04`)]);
  t.strictSame(await wardenAt('2026-03-10T04:20:00'), [waited.map((worker) => `${worker} 10T04`), []], 'once');
  t.strictSame(await wardenAt('2026-03-11T03:00:00'), [waited.map((worker) => `${worker} 10T04`), []], 'until its next time');
  t.strictSame(await wardenAt('2026-03-11T05:00:00'), [all.map((worker) => `${worker} 11T04`), []], 'missed: asked for all, once');
  const later = appOf('schedule: "0 6 * * *", time_zone: UTC');
  t.strictSame(await wardenAt('2026-03-11T12:00:00', { config: later }), [[], []]);
  t.strictSame(await wardenAt('2026-03-11T13:00:00', { config: later }), [[], []], 'another expression never fell due');
});

t.test('one that is taken out and put back counts from then on', async (t) => {
  const app = appOf('schedule: "0 4 * * *", time_zone: UTC');
  const without: Record<string, AppConfig[]> = { 'its key is taken out': [appOf('time_zone: UTC')], 'its app is': [] };
  for (const [name, taken] of Object.entries(without)) {
    for (const restarts of [false, true]) {
      const dir = t.testdir();
      const clock = new FakeClock();
      let notes = 0;
      const warden = async () => {
        const { journal, content } = await Journal.open(dir);
        const history = new History(content.incidents, clock, content.apps);
        const note: Journal['note'] = (...line) => (notes++, journal.note(...line));
        return { journal, schedules: new Schedules(new AppNotes(history, { note }), history, clock) };
      };
      let { journal, schedules } = await warden();
      const dueAt = async (time: string, apps: AppConfig[]) => {
        clock.nowMs = utc(time);
        if (restarts) {
          await journal.close();
          ({ journal, schedules } = await warden());
        }
        return (await dueOf(schedules, apps)).length;
      };
      await dueAt('2026-03-10T03:00:00', [app]);
      t.equal(await dueAt('2026-03-10T04:00:00', [app]), 2);
      notes = 0;
      t.equal(await dueAt('2026-03-10T12:00:00', taken), 0);
      t.equal(await dueAt('2026-03-11T12:00:00', taken), 0);
      t.equal(notes, 1, 'it is forgotten once');
      t.equal(await dueAt('2026-03-13T12:00:00', [app]), 0, `${name}: nothing was missed`);
      t.equal(await dueAt('2026-03-14T04:00:00', [app]), 2, 'its next time is its own');
      await journal.close();
    }
  }
});

t.test('a clock that jumps makes nothing due twice', async (t) => {
  const clock = new FakeClock();
  const history = new History([], clock);
  const schedules = new Schedules(new AppNotes(history, { note: async () => {} }), history, clock);
  const app = appOf('schedule: "0 4 * * *", time_zone: UTC');
  clock.nowMs = utc('2026-03-10T03:30:00');
  t.equal((await dueOf(schedules, [app])).length, 0);
  clock.nowMs += HOUR; // to 04:30
  t.equal((await dueOf(schedules, [app])).length, 2, 'its time was jumped over');
  clock.nowMs -= HOUR;
  for (let minutes = 0; minutes < 120; minutes += 10, clock.nowMs += 10 * MINUTE) {
    t.equal((await dueOf(schedules, [app])).length, 0);
  }
});

t.test('a clock that ran a month ahead costs no time of the schedule, not over a restart either', async (t) => {
  const app = appOf('schedule: "0 4 * * *", time_zone: UTC');
  for (const restarts of [false, true]) {
    const dir = t.testdir();
    const clock = new FakeClock();
    const warden = async () => {
      const { journal, content } = await Journal.open(dir);
      const history = new History(content.incidents, clock, content.apps);
      return { journal, schedules: new Schedules(new AppNotes(history, journal), history, clock) };
    };
    let { journal, schedules } = await warden();
    const dueAt = async (time: string) => {
      clock.nowMs = utc(time);
      if (restarts) {
        await journal.close();
        ({ journal, schedules } = await warden());
      }
      return (await dueOf(schedules, [app])).map(({ dueAtMs }) => dueAtMs);
    };
    await dueAt('2026-03-10T12:00:00');
    t.equal((await dueAt('2026-04-09T12:01:00')).length, 2, 'it cannot know that this is not the time');
    t.strictSame(await dueAt('2026-03-10T12:02:00'), []);
    const next = utc('2026-03-11T04:00:00');
    t.strictSame(await dueAt('2026-03-11T04:00:00'), [next, next]);
    t.strictSame(await dueAt('2026-03-11T04:01:00'), []);
    await journal.close();
  }
});

t.test('an intent that cannot be written asks for nothing, and is tried again', async (t) => {
  const clock = new FakeClock();
  const history = new History([], clock);
  let full = false;
  const note = async () => {
    if (full) throw new Error('no room');
  };
  const schedules = new Schedules(new AppNotes(history, { note }), history, clock);
  const app = appOf('schedule: "0 4 * * *", time_zone: UTC');
  clock.nowMs = utc('2026-03-10T03:59:00');
  await dueOf(schedules, [app]);
  clock.nowMs += 2 * MINUTE;
  full = true;
  await t.rejects(dueOf(schedules, [app]), { message: 'no room' });
  full = false;
  t.equal((await dueOf(schedules, [app])).length, 2);
});

t.test('what has fallen due of one app is not lost with the note of another', async (t) => {
  const clock = new FakeClock();
  const history = new History([], clock);
  let full = '';
  const note: Journal['note'] = async (app) => {
    if (app === full) throw new Error('no room');
  };
  const schedules = new Schedules(new AppNotes(history, { note }), history, clock);
  const apps = ['shop', 'api'].map((name) => ({ ...appOf('schedule: "0 4 * * *", time_zone: UTC'), name }));
  clock.nowMs = utc('2026-03-10T03:59:00');
  await dueOf(schedules, apps);
  clock.nowMs += 2 * MINUTE;
  full = 'api';
  const told: string[] = [];
  await t.rejects(
    (async () => {
      for await (const { app, worker } of schedules.due(apps, WORKERS)) told.push(`${app}/${worker}`);
    })(),
    { message: 'no room' },
  );
  full = '';
  told.push(...(await dueOf(schedules, apps)).map(({ app, worker }) => `${app}/${worker}`));
  t.strictSame(told, ['shop/0', 'shop/1', 'api/0'], 'each once');
});
