import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { messageOf } from '../../src/errors.js';
import { ensureToken, readToken } from '../../src/http/token.js';

t.test('made on the first start, kept on the second', async (t) => {
  const path = join(t.testdir(), 'state', 'heapwarden', 'token');
  await ensureToken(path);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
  const token = await readToken(path);
  t.match(token, /^[\w-]{43}$/, '32 random bytes');
  await ensureToken(path);
  t.equal(await readToken(path), token);
  const another = join(t.testdir({}), 'token');
  await ensureToken(another);
  t.not(await readToken(another), token);
});

t.test("a person's own token is taken as it is", async (t) => {
  const path = join(t.testdir({ token: '  s3cret\n\n' }), 'token');
  chmodSync(path, 0o640);
  await ensureToken(path);
  t.equal(await readToken(path), 's3cret');
  t.equal(statSync(path).mode & 0o777, 0o640);
  writeFileSync(path, 'rotated\n');
  t.equal(await readToken(path), 'rotated', 'each reading is of the disk');
});

t.test('a token that cannot be used', async (t) => {
  const dir = t.testdir({ empty: '\n', folder: {}, file: '' });
  const cases: [string, string][] = [
    ['empty', 'it is empty; delete it, and the next start makes a new one'],
    ['folder', 'it is a folder'],
  ];
  for (const [name, why] of cases) {
    const error = { code: 'TOKEN_UNREADABLE', message: `the token file ${join(dir, name)} cannot be used: ${why}` };
    await t.rejects(readToken(join(dir, name)), error);
    await t.rejects(ensureToken(join(dir, name)), error);
  }
  const missing = join(dir, 'missing');
  await t.rejects(readToken(missing), {
    code: 'TOKEN_UNREADABLE',
    message: `the token file ${missing} cannot be used: it is not there; heapwarden makes it when it starts`,
  });
  t.notOk(existsSync(missing), 'to read makes nothing');
  await t.rejects(ensureToken(join(dir, 'file', 'token')), { code: 'TOKEN_UNREADABLE', message: /not a directory/ });
  t.equal(readFileSync(join(dir, 'file'), 'utf8'), '');
});

t.test('a file that this user may not read', async (t) => {
  if (process.platform === 'win32') return t.pass('not run', { skip: 'Windows has no modes' });
  const path = join(t.testdir({ token: 's3cret' }), 'token');
  chmodSync(path, 0);
  // Root may read everything, so it is nobody for a while.
  const root = process.geteuid!() === 0;
  if (root) process.seteuid!(65_534);
  const said = await readToken(path).then(String, messageOf);
  if (root) process.seteuid!(0);
  const why = "this user may not read or make it; change its permissions or its folder's";
  t.equal(said, `the token file ${path} cannot be used: ${why}`);
});
