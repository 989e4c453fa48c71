import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import t, { type Test } from 'tap';
import { compareSync, getRounds, hashSync } from 'bcryptjs';
import { HeapwardenError } from '../../../src/errors.js';
import { Bcrypt } from '../../../src/http/web-config/bcrypt.js';
import { TokenBucket } from '../../../src/http/web-config/token-bucket.js';
import { Users } from '../../../src/http/web-config/users.js';
import { WebConfigFile } from '../../../src/http/web-config/web-config-file.js';
import { BEARER, TOKEN, serverOf } from '../support.js';

/** The toolkit's own: of dave123 (web/testdata/web_config_users_noTLS.good.yml has its like). */
const DAVE = hashSync('dave123', 4).replace('$2b$', '$2y$');
const basic = (user: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` });

async function serving(t: Test, text: string) {
  const folder = mkdtempSync(join(tmpdir(), 'hw-web-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'web.yml');
  writeFileSync(file, text);
  const parts = serverOf(t, { webConfig: await WebConfigFile.open(file) });
  const status = async (url: string, headers: Record<string, string> = {}, method: 'GET' | 'POST' = 'GET') =>
    (await parts.server.inject({ method, url, headers })).statusCode;
  return { ...parts, file, status };
}

const READING = ['/', '/metrics', '/-/healthy', '/-/ready', '/api/v1/apps', '/api/v1/incidents', '/api/v1/openapi.json', '/nowhere'];

t.test('with users, nothing is read without one of them, or the token', async (t) => {
  const { status, server } = await serving(t, `basic_auth_users: { dave: '${DAVE}' }`);
  for (const url of READING) {
    const open = url === '/nowhere' ? 404 : 200;
    t.equal(await status(url), 401, `${url}: nobody`);
    t.equal(await status(url, basic('dave', 'wrong')), 401, `${url}: a wrong password`);
    t.equal(await status(url, basic('nobody', 'dave123')), 401, `${url}: an unknown user`);
    t.equal(await status(url, basic('', '')), 401);
    t.equal(await status(url, { authorization: 'Bearer dave123' }), 401);
    t.equal(await status(url, basic('dave', 'dave123')), open, `${url}: a user`);
    t.equal(await status(url, BEARER), open, `${url}: the token`);
    t.equal(await status(url, basic('any', TOKEN)), open, `${url}: the token as a password`);
  }
  t.match((await server.inject('/metrics')).headers, { 'www-authenticate': 'Basic realm="heapwarden", charset="UTF-8"' });
});

t.test('to change something takes the token, whoever asks', async (t) => {
  const { status, warden } = await serving(t, `basic_auth_users: { dave: '${DAVE}' }`);
  for (const url of ['/-/reload', '/api/v1/apps/shop/restart', '/api/v1/apps/shop/pause', '/api/v1/apps/shop/resume']) {
    t.equal(await status(url, {}, 'POST'), 401);
    t.equal(await status(url, basic('dave', 'dave123'), 'POST'), 401, `${url}: a user may read`);
    t.equal(await status(url, BEARER, 'POST') < 300, true, `${url}: the token`);
  }
  t.equal(warden.reloads, 1);
  warden.token = async () => {
    throw new HeapwardenError('TOKEN_UNREADABLE', 'it is gone');
  };
  t.equal(await status('/metrics', BEARER), 401, 'a token that cannot be read opens nothing');
  t.equal(await status('/metrics', basic('dave', 'dave123')), 200, 'and shuts no user out');
});

t.test('without users reading is open', async (t) => {
  const { status } = await serving(t, 'http_server_config: { headers: { X-Frame-Options: deny } }');
  for (const url of READING) t.equal(await status(url), url === '/nowhere' ? 404 : 200);
});

t.test('the file is read at every request, and a bad one lets nobody in', async (t) => {
  const { status, file, log, server } = await serving(t, `basic_auth_users: { dave: '${DAVE}' }`);
  t.equal(await status('/metrics', basic('dave', 'dave123')), 200);
  writeFileSync(file, `basic_auth_users: { erin: '${DAVE}' }`);
  t.equal(await status('/metrics', basic('dave', 'dave123')), 401, 'a user who is there no more');
  t.equal(await status('/metrics', basic('erin', 'dave123')), 200);
  writeFileSync(file, 'basic_auth_users: { erin: dave123 }');
  const refused = await server.inject({ url: '/metrics', headers: BEARER });
  t.equal(refused.statusCode, 500);
  t.notMatch(refused.body, /erin|dave|web\.yml/, 'strangers are not told what is in it');
  t.match(log.at('error'), [/^every request is refused, for the web config file has become bad:\n.*web\.yml:1:27: basic_auth_users\.erin must be/]);
  t.notMatch(log.at('error').join(), /dave123/);
  rmSync(file);
  t.equal(await status('/metrics', BEARER), 500);
  writeFileSync(file, '');
  t.equal(await status('/metrics'), 200, 'good again');
});

t.test('bcrypt is asked once for a user, hash and password', async (t) => {
  const asked: string[] = [];
  const users = new Users(async (password, hash) => {
    asked.push(`${password} ${hash}`);
    return compareSync(password, hash);
  });
  const hashes = new Map([['dave', DAVE]]);
  t.strictSame(await Promise.all(Array.from({ length: 5 }, () => users.check(hashes, 'dave', 'dave123'))), Array(5).fill('right'));
  t.equal(await users.check(hashes, 'dave', 'dave123'), 'right');
  t.equal(asked.length, 1);
  t.equal(await users.check(hashes, 'dave', 'wrong'), 'wrong');
  t.equal(await users.check(hashes, 'dave', 'wrong'), 'wrong');
  t.equal(asked.length, 2, 'wrong ones are remembered, too');
  const changed = new Map([['dave', hashSync('other', 4)]]);
  t.equal(await users.check(changed, 'dave', 'dave123'), 'wrong', 'another hash is another question');
  t.equal(await users.check(hashes, 'dave', 'dave123'), 'right');
  const before = asked.length;
  for (let i = 0; i < 300; i++) await users.check(hashes, 'dave', `guess ${i}`);
  t.equal(asked.length, before + 300);
  t.equal(await users.check(hashes, 'dave', 'dave123'), 'right');
  t.equal(asked.length, before + 300, 'guesses push nobody out who knows');
  t.equal(await users.check(hashes, 'dave', 'guess 0'), 'wrong');
  t.equal(asked.length, before + 301, 'and are not kept for ever');
});

t.test('an unknown user costs what a known one does, and is nobody', async (t) => {
  const asked: string[] = [];
  const users = new Users(async (_password, hash) => {
    asked.push(hash);
    return true; // as if somebody had found the password of the stand-in
  });
  const hashes = new Map([['dave', hashSync('x', 6)], ['erin', hashSync('x', 5)]]);
  t.equal(await users.check(hashes, 'nobody', 'x'), 'wrong');
  t.equal(getRounds(asked[0]!), 6, 'the cost of the costliest');
  t.match(asked[0], /^\$2b\$06\$[./A-Za-z0-9]{53}$/);
  t.notOk(compareSync('', asked[0]!));
  t.equal(await users.check(hashes, '__proto__', 'x'), 'wrong');
});

t.test('too many at once are sent away, and answered when there is time', async (t) => {
  let free = (): void => {};
  const gate = new Promise<void>((resolve) => (free = resolve));
  const users = new Users(async () => gate.then(() => false));
  const hashes = new Map([['dave', DAVE]]);
  const waiting = Array.from({ length: 40 }, (_, i) => users.check(hashes, 'dave', String(i)));
  t.equal((await Promise.race([waiting[39], waiting[0]])), 'busy');
  free();
  const verdicts = await Promise.all(waiting);
  t.equal(verdicts.filter((verdict) => verdict === 'wrong').length, 32);
  t.equal(verdicts.filter((verdict) => verdict === 'busy').length, 8);
});

t.test('a password is compared on a thread of its own: the loop goes on turning', async (t) => {
  const thread = new Bcrypt();
  t.teardown(() => thread.close());
  const hash = hashSync('right', 4);
  t.equal(await thread.compare('right', hash), true, 'and the thread is warm');
  const slow = hash.replace('$04$', '$11$');
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const startedAt = performance.now();
  const answers = await Promise.all([thread.compare('right', hash), thread.compare('wrong', hash), thread.compare('right', slow)]);
  const tookMs = performance.now() - startedAt;
  delay.disable();
  t.strictSame(answers, [true, false, false]);
  t.ok(delay.max / 1e6 < tookMs / 2, `comparing took ${tookMs} ms, the loop was held for ${delay.max / 1e6} ms at most`);
  await thread.close();
  t.equal(await thread.compare('right', hash), true, 'a thread that has ended is started again');
});

t.test('a rate limit', async (t) => {
  const clock = { now: 0, monotonic: () => clock.now };
  const bucket = new TokenBucket(clock);
  const rate = { intervalMs: 1000, burst: 3 };
  t.strictSame([1, 2, 3, 4].map(() => bucket.take(rate) > 0), [false, false, false, true]);
  clock.now += 999;
  t.ok(bucket.take(rate) > 0);
  clock.now += 1;
  t.equal(bucket.take(rate), 0);
  t.ok(bucket.take(rate) > 0);

  const { status, server, clock: time } = await serving(t, 'rate_limit: { interval: 1s, burst: 2 }');
  t.strictSame([await status('/metrics'), await status('/metrics'), await status('/metrics')], [200, 200, 429]);
  t.match((await server.inject('/metrics')).headers, { 'retry-after': '1' });
  t.equal(await status('/metrics', BEARER), 200, 'not for the token: Alertmanager gives up on a 429');
  time.nowMs += 1000;
  t.equal(await status('/metrics'), 200);
});
