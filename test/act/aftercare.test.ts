import t from 'tap';
import { Aftercare } from '../../src/act/aftercare.js';
import { AppNotes } from '../../src/act/app-notes.js';
import { History } from '../../src/act/history.js';
import type { Incident, Outcome } from '../../src/act/incident.js';
import { MB, NOW, SECOND, appOf, workerOf, workersOf, type Made } from '../decide/support.js';
import { FakeClock, MemoryLog, incidentOf } from './support.js';

const APP = appOf('limits: { rss: { critical: 400MB, restart: 500MB } }, restart: { startup_grace: 30s }');
const unknown = { heapUsedBytes: null, heapLimitBytes: null, heartbeatAtMs: null };
const processOf = (pid: number) => ({ pid, start: 1, startedAtMs: NOW - 10 * SECOND, rssBytes: 50 * MB, ...unknown });

function restartOf(id: string, outcome: Partial<Outcome> = {}, pid = 200): Incident {
  const done = { ...incidentOf({ id }).outcome!, after: processOf(pid), release: 'r1', ...outcome };
  return incidentOf({ id, before: processOf(pid - 1), outcome: done });
}

const useless = (release: string | null) => ['a', 'b', 'c'].map((id) => restartOf(id, { result: 'ineffective', release }));

function careOf(incidents: Incident[]) {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const history = new History(incidents, clock);
  const written: string[] = [];
  const journal = {
    complete: async (id: string) => void written.push(id),
    note: async (app: string) => void written.push(app),
  };
  const release = { now: 'r1' as string | null };
  const notes = new AppNotes(history, journal);
  const aftercare = new Aftercare({ history, journal, notes, releaseOf: async () => release.now, clock, log });
  const look = (made: Made) => aftercare.look([APP], workersOf(workerOf({ pid: 200, startedAtMs: NOW - 10 * SECOND, ...made })));
  return { history, log, written, release, look };
}

t.test('a new process that is back at its limit within its startup grace', async (t) => {
  const cases: [name: string, made: Made, relapses: boolean][] = [
    ['at its limit, ten seconds old', { rssBytes: 500 * MB }, true],
    ['below its limit', { rssBytes: 499 * MB }, false],
    ['another process', { pid: 201, rssBytes: 500 * MB }, false],
    ['no longer young', { startedAtMs: NOW - 30 * SECOND, rssBytes: 500 * MB }, false],
    ['no process', { pid: null }, false],
  ];
  for (const [name, made, relapses] of cases) {
    const { history, written, look } = careOf([restartOf('a')]);
    await look(made);
    t.equal(history.find('a')!.outcome!.relapsedAtMs, relapses ? NOW : null, name);
    await look(made);
    t.strictSame(written, relapses ? ['a'] : [], 'once');
    t.equal(history.fruitless('shop', '0').length, relapses ? 1 : 0);
  }
});

t.test('the third is the last, and said so', async (t) => {
  const bad = { relapsedAtMs: NOW };
  const { log, look } = careOf([restartOf('a', bad, 100), restartOf('b', bad, 150), restartOf('c')]);
  await look({ rssBytes: 500 * MB });
  t.strictSame(log.at('warn'), [
    'shop/0: 10 s old, its memory is 500 MB again, at or above its restart limit of 500 MB',
  ]);
  t.strictSame(log.at('error'), [
    'shop/0: its last 3 restarts did not help, so it is not restarted any more. Mend the app, or raise its limit; ' +
      'then: heapwarden resume shop',
  ]);
});

t.test('a new release makes it worth a try', async (t) => {
  const { history, written, release, look } = careOf(useless('r1'));
  const count = () => history.fruitless('shop', '0').length;
  await look({});
  release.now = null;
  await look({});
  t.equal(count(), 3, 'the same one, or one that is not known');
  release.now = 'r2';
  await look({});
  t.equal(count(), 0);
  t.strictSame(written, ['shop']);
});

t.test('what runs is known when its process has settled', async (t) => {
  const { history, written, release, look } = careOf(useless(null));
  release.now = 'before it has its title';
  await look({ startedAtMs: NOW - 10 * SECOND + 1 });
  t.strictSame(written, [], 'too young');
  release.now = 'r1';
  await look({});
  t.strictSame(written, ['c'], 'put on record, once');
  t.equal(history.find('c')!.outcome!.release, 'r1');
  release.now = 'before it has its title';
  await look({ pid: 300, startedAtMs: NOW - SECOND });
  t.equal(history.fruitless('shop', '0').length, 3, 'the same release in another process');
  release.now = 'r1';
  await look({ pid: 300 });
  t.strictSame(written, ['c']);
});
