import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../src/clock.js';
import { Pm2Endings, lastExit, wordsOf } from '../../src/supervisors/pm2-endings.js';
import type { Pm2Process } from '../../src/supervisors/pm2-rpc.js';

const exited = (app: string, code: number, signal: string) => `2026-11-21T07:34:07: PM2 log: App [${app}] exited with code [${code}] via signal [${signal}]\n`;

t.test("how a process ended, in PM2's words", async (t) => {
  const log = exited('shop:0', 0, 'SIGABRT') + exited('shop:1', 134, 'SIGINT') + exited('shop:10', 0, 'SIGKILL') + exited('a.c:2', 0, 'SIGINT');
  t.strictSame(lastExit(log, 'shop', 0), { code: null, signal: 'SIGABRT' });
  t.strictSame(lastExit(log, 'shop', 1), { code: 134, signal: null });
  t.strictSame(lastExit(log, 'a.c', 2), { code: 0, signal: null });
  t.strictSame(lastExit(log, 'abc', 2), { code: null, signal: null });
  t.strictSame(lastExit(log + exited('shop:0', 1, 'SIGINT'), 'shop', 0), { code: 1, signal: null }, 'the last one');
});

t.test("whose words stand in PM2's log", async (t) => {
  const words = '[77:0x9e58d70]      187 ms: Mark-Compact\n\nFATAL ERROR: Reached heap limit\n';
  const log = `PM2 log: App [shop:0] online\n\n<--- Last few GCs --->\n${words}PM2 log: App [shop:0] exited with code [0] via signal [SIGABRT]\n[78:0x1] other\n`;
  t.equal(wordsOf(log, 77), words);
  t.equal(wordsOf(log, 7), '');
  t.equal(wordsOf(log, 78), '[78:0x1] other\n');
});

t.test('what a process wrote last, and no other before it', async (t) => {
  const home = t.testdir({ 'pm2.log': exited('shop:0', 0, 'SIGKILL'), 'out.log': 'old\n', 'error.log': 'FATAL, last week\n' });
  const file = (name: string) => join(home, name);
  const logs = [file('out.log'), file('error.log')];
  const found = (pid: number | null, pmId = 0): Pm2Process => ({
    pmId, pid, name: 'shop', status: 'online', clustered: false, waitsReady: false, listenTimeoutMs: 1, startedAtMs: 0, logs, standsInFor: null,
  });
  const endings = new Pm2Endings({ name: 'shop', home, clock: { ...systemClock, sleep: async () => {} } });
  await endings.look(new Map([[0, found(70)]]));
  t.strictSame(await endings.take(), []);
  appendFileSync(file('out.log'), 'its own\n');
  await endings.look(new Map([[0, found(70)]]));
  appendFileSync(file('error.log'), 'FATAL, now\n');
  appendFileSync(file('pm2.log'), exited('shop:0', 0, 'SIGABRT'));
  await endings.look(new Map([[0, found(71)]]));
  t.match(await endings.take(), [{ worker: '0', pid: 70, code: null, signal: 'SIGABRT', words: 'its own\nFATAL, now\n' }]);
  t.strictSame(await endings.take(), [], 'told once');

  endings.expect(71);
  await endings.look(new Map([[0, found(72)]]));
  t.strictSame(await endings.take(), [], 'heapwarden itself had asked for it');
  endings.expect(72);
  endings.expectNoMore(72);

  writeFileSync(file('error.log'), ''); // rotated
  appendFileSync(file('error.log'), `${'x'.repeat(99)}\n`.repeat(1000));
  await endings.look(new Map([[0, found(null)]]));
  const [big] = await endings.take();
  t.match(big, { pid: 72, code: null, signal: null }, 'PM2 has not told its end');
  t.ok(big!.words.length <= 16 * 1024 && big!.words.startsWith('xxx') && big!.words.length % 100 === 0, 'whole lines, no more than some');
  await endings.look(new Map([[0, found(73)]]));
  for (const name of ['out.log', 'error.log', 'pm2.log']) rmSync(file(name));
  await endings.look(new Map());
  t.match(await endings.take(), [{ pid: 73, words: '', signal: null }], 'files that cannot be read tell nothing');
  t.throws(() => readFileSync(file('pm2.log')));
});
