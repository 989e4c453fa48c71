import t from 'tap';
import { reloadRequests, stopRequests } from '../../src/commands/signals.js';
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
