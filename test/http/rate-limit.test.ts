import t from 'tap';
import { RateLimit } from '../../src/http/rate-limit.js';
import { BEARER, serverOf } from './support.js';

t.test('so many in any window, not only in those that begin on the minute', async (t) => {
  let now = 0;
  const limit = new RateLimit(3, 60_000, { monotonic: () => now });
  const at = (ms: number, key = 'shop') => {
    now = ms;
    return limit.take(key);
  };
  t.strictSame([at(0), at(50_000), at(59_000)], [0, 0, 0]);
  t.equal(at(59_500), 500, 'until the oldest is a minute old');
  t.equal(at(59_999), 1);
  t.equal(at(59_999, 'mail'), 0, 'each key has its own');
  t.equal(at(60_000), 0);
  t.equal(at(60_001), 49_999, 'what was refused is not counted');
  t.strictSame([at(110_000), at(119_000), at(119_001)], [0, 0, 999]);
});

t.test('30 requests for an app in a minute', async (t) => {
  const { server, warden, clock, log } = serverOf(t);
  const ask = (app = 'shop', headers: Record<string, string> = BEARER, payload: object = {}) =>
    server.inject({ method: 'POST', url: `/api/v1/apps/${app}/restart`, headers, payload });
  const statuses = async (count: number, ...args: Parameters<typeof ask>) => {
    const found = new Set<number>();
    for (let i = 0; i < count; i++) found.add((await ask(...args)).statusCode);
    return [...found];
  };

  t.strictSame(await statuses(100, 'shop', { authorization: 'Bearer guess' }), [401], 'a stranger uses up nothing');
  t.strictSame(await statuses(20), [202]);
  clock.nowMs += 45_500;
  t.strictSame(await statuses(10, 'shop', BEARER, { dry_run: true }), [202], 'rehearsals count');
  const refused = await ask('shop', BEARER, { force: true });
  t.equal(refused.statusCode, 429);
  t.equal(refused.headers['retry-after'], '15');
  t.strictSame(refused.json(), {
    error: 'too_many_requests',
    message:
      'shop: 30 requests to restart came in the last minute, and no more are taken. Wait 15 s; force does not pass ' +
      'this limit. One request without a worker is for all workers of an app',
  });
  t.equal(warden.requests.length, 30, 'it went no further');

  t.strictSame(await statuses(30, 'nobody'), [202]);
  const stranger = await ask('no-one-else');
  t.equal(stranger.statusCode, 429, 'all names that are not configured share one limit, so that memory stays bounded');
  t.match(stranger.json().message, /^apps that are not configured: 30 requests/);
  t.strictSame(await statuses(100, 'shop'), [429]);
  t.strictSame(
    log.at('warn'),
    [
      'shop: more than 30 requests to restart came in a minute; the rest is refused',
      'apps that are not configured: more than 30 requests to restart came in a minute; the rest is refused',
    ],
    'one line of a kind, not one a request',
  );

  clock.nowMs += 15_000;
  t.strictSame([...(await statuses(20)), ...(await statuses(1))], [202, 429], 'as many as are a minute old');
  for (let i = 0; i < 100; i++) {
    const { statusCode } = await server.inject({ method: 'POST', url: '/api/v1/alerts', headers: BEARER, payload: { alerts: [] } });
    if (statusCode !== 202) t.fail(`an alert was answered ${statusCode}`);
  }
});
