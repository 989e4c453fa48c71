import t from 'tap';
import { folderName, isFolderName, safeName, surplus } from '../../../src/act/evidence/names.js';

t.test('names that are one on every file system', async (t) => {
  t.equal(safeName('shop-2.api_x'), 'shop-2.api_x');
  for (const name of ['a/b', '..', '.', '../../etc', 'a b', 'ä', 'x'.repeat(200), 'a\\b', 'C:']) {
    t.match(safeName(name), /^[\w-][\w.-]{0,79}-[0-9a-f]{8}$/, name);
  }
  t.not(safeName('a/b'), safeName('a b'), 'and two of them are not one');
  const name = folderName({ atMs: Date.UTC(2026, 10, 21, 5, 3, 7, 123), worker: '../0', asked: 'rss' });
  t.match(name, /^20261121T050307123Z-_\._0-[0-9a-f]{8}-rss$/);
  t.ok(isFolderName(name));
  for (const other of ['mine', '2026', '.git']) t.notOk(isFolderName(other));
});

t.test('what has to go: above the count of the app, then above the bytes of all, oldest first', async (t) => {
  const of = (app: string, ...names: number[]) => names.map((name) => ({ app, name: String(name), bytes: 10 }));
  const large = { app: 'a', name: '5', bytes: 99 };
  const gone = (folders: ReturnType<typeof of>, keep: number, maxBytes: number, present = '5') =>
    surplus(folders, { app: 'a', present, keep, maxBytes }).map(({ app, name }) => app + name);
  const folders = [...of('a', 5, 1, 4), ...of('b', 2, 3, 6)];
  t.strictSame(gone(folders, 10, 100), []);
  t.strictSame(gone(folders, 1, 100), ['a1', 'a4'], "another app's stay");
  t.strictSame(gone(folders, 10, 35), ['a1', 'b2']);
  t.strictSame(gone(folders, 2, 30), ['a1', 'b2'], 'what goes for the count weighs nothing');
  t.strictSame(gone(folders, 10, 5), ['a1', 'b2', 'b3', 'a4', 'b6'], 'the present one stays, however large');
  t.strictSame(gone([large, ...of('a', 1), ...of('b', 2)], 10, 20), [], 'and costs no other its own');
  t.strictSame(gone([large, ...of('a', 1, 6), ...of('b', 2)], 10, 30, '6'), ['a5'], 'nor when it goes');
  t.strictSame(gone(folders, 2, 100, '1'), ['a4'], 'and where the clock was set back, so that others are dated later');
  t.strictSame(gone(of('a', 1, 4, 5), 1, 5, '1'), ['a4', 'a5']);
  t.strictSame(gone(of('a', 1, 2, 3, 8, 9), 3, 100, '3'), ['a8', 'a9'], 'which go before those that are older than it');
});
