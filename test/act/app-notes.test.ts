import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { AppNotes } from '../../src/act/app-notes.js';
import type { AppState } from '../../src/act/app-state.js';
import { History } from '../../src/act/history.js';
import { MINUTE, NOW } from '../decide/support.js';
import { FakeClock } from './support.js';

const SCHEDULE = { cron: '0 4 * * *', zone: 'UTC', seenMs: NOW, dueAtMs: null };

/** A disk that takes its time: a test lets each write end. */
function slowDisk() {
  const history = new History([], new FakeClock());
  const lines: { app: string; state: AppState }[] = [];
  const pending: ((error?: Error) => void)[] = [];
  const note = (app: string, state: AppState) =>
    new Promise<void>((resolve, reject) => {
      pending.push((error) => {
        if (error) return reject(error);
        lines.push({ app, state });
        resolve();
      });
    });
  /** The next write ends so, and what waits for it goes on. */
  const end = async (error?: Error) => {
    pending.shift()!(error);
    await turn();
  };
  return { lines, pending, end, notes: new AppNotes(history, { note }) };
}

t.test('two changes at a time both hold', async (t) => {
  const { lines, pending, end, notes } = slowDisk();
  const pause = notes.pause('shop', null, NOW);
  const change = notes.change('shop', { schedule: SCHEDULE });
  const other = notes.pause('api', MINUTE, NOW);
  await turn();
  t.equal(pending.length, 2, 'one of each app, which do not wait for each other');
  await end();
  await end();
  await end();
  await Promise.all([pause, change, other]);
  const state = { pause: { atMs: NOW, untilMs: null }, freshSinceMs: null, schedule: SCHEDULE };
  t.strictSame(notes.of('shop'), state);
  t.strictSame(lines.at(-1), { app: 'shop', state });
});

t.test('one that cannot be written is told to who asked, and the next goes on from what was there', async (t) => {
  const { lines, end, notes } = slowDisk();
  const lost = t.rejects(notes.pause('shop', null, NOW), { message: 'no room' });
  const kept = notes.change('shop', { schedule: SCHEDULE });
  await turn();
  await end(new Error('no room'));
  await end();
  await Promise.all([lost, kept]);
  const state = { pause: null, freshSinceMs: null, schedule: SCHEDULE };
  t.strictSame(notes.of('shop'), state);
  t.strictSame(lines, [{ app: 'shop', state }]);
});
