import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { SparseLog } from '../src/sparse-log.js';
import { MemoryLog } from './act/support.js';
import { waitFor } from './integration/wait.js';

t.test('one line at once, one with the count after a while', async (t) => {
  const log = new MemoryLog();
  const sparse = new SparseLog(log, 200);
  for (let i = 0; i < 1000; i++) sparse.error('disk', `no space ${i}`, { stack: 's' });
  sparse.warn('busy', 'too many');
  t.strictSame(log.entries, [
    { level: 'error', message: 'no space 0', fields: { stack: 's' } },
    { level: 'warn', message: 'too many', fields: {} },
  ]);
  const summary = { level: 'error', message: 'no space 0 (999 more of this kind in the 0.2 s after it)', fields: { stack: 's' } };
  await waitFor('the count', () => log.entries.length > 2);
  t.strictSame(log.entries[2], summary);
  await sleep(300);
  t.equal(log.entries.length, 3, 'nothing is said of one that came alone');
  sparse.warn('busy', 'too many again');
  t.strictSame(log.at('warn'), ['too many', 'too many again']);
});

t.test('kinds without end are one, but not one of another level', async (t) => {
  const log = new MemoryLog();
  const sparse = new SparseLog(log, 200);
  for (let i = 0; i < 1000; i++) sparse.info(`app ${i}`, `hello ${i}`);
  for (let i = 0; i < 1000; i++) sparse.warn(`app ${i + 1000}`, 'no');
  t.equal(log.at('info').length, 201);
  t.strictSame(log.at('warn'), ['no']);
  await waitFor('the counts', () => log.entries.length === 204);
  t.strictSame(log.at('info').slice(201), ['hello 200 (799 more of this kind in the 0.2 s after it)']);
  t.strictSame(log.at('warn').slice(1), ['no (999 more of this kind in the 0.2 s after it)']);
});
