import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { LAST_STOP_MS, reloadRequests, stopRequests } from '../../src/commands/signals.js';
import { MemoryLog } from '../observe/support.js';

t.test('SIGHUP reloads on POSIX, and one that came early is kept', async (t) => {
  const [reload, stop] = [reloadRequests('linux'), stopRequests(new MemoryLog(), 'linux')];
  t.teardown(() => (reload.close(), stop.close()));
  let reloads = 0;
  process.emit('SIGHUP', 'SIGHUP');
  reload.serveWith(() => reloads++);
  t.equal(reloads, 1);
  process.emit('SIGHUP', 'SIGHUP');
  t.equal(reloads, 2);
});

const listening = () => ['SIGHUP', 'SIGBREAK'].map((name) => process.listeners(name as NodeJS.Signals).length);

t.test('on Windows it says that the console window is being closed', async (t) => {
  const [hangups, breaks] = listening() as [number, number]; // tap has its own
  const [reload, stop] = [reloadRequests('win32'), stopRequests(new MemoryLog(), 'win32')];
  t.teardown(() => (reload.close(), stop.close()));
  reload.serveWith(() => t.fail('it was a reload'));
  t.strictSame(listening(), [hangups + 1, breaks + 1], 'one that asks for an end, and none for a reload');
  process.emit('SIGHUP', 'SIGHUP');
  t.strictSame(await stop.requested, { status: 0, message: 'SIGHUP received, stopping' });
  stop.close();
  t.strictSame(listening(), [hangups, breaks]);
});

t.test('a start that a failure has left hanging is given up, and its failure told', async (t) => {
  const sleepers: [ms: number, wake: () => void][] = [];
  const sleep = (ms: number) => new Promise<void>((resolve) => void sleepers.push([ms, resolve]));
  const stop = stopRequests(new MemoryLog(), 'linux', { sleep });
  t.teardown(() => stop.close());
  t.equal(await stop.during(Promise.resolve('started')), 'started');
  await t.rejects(stop.during(Promise.reject(new Error('port taken'))), /port taken/);
  const hanging = stop.during(new Promise(() => {}));
  process.emit('SIGTERM', 'SIGTERM');
  const slow = stop.during(setTimeout(20, 'started'));
  const boom = new Error('boom');
  const [onFailure] = process.listeners('uncaughtException').slice(-1) as [(error: Error, origin: string) => void];
  onFailure(boom, 'uncaughtException');
  t.equal(await slow, 'started', 'one that goes on may still finish');
  for (const [ms, wake] of sleepers) {
    t.equal(ms, LAST_STOP_MS);
    wake();
  }
  await t.rejects(hanging, boom, 'also where it had been told to stop before');
});
