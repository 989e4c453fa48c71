import t from 'tap';
import { HeapwardenError } from '../../src/errors.js';
import { TOKEN, serverOf } from './support.js';

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

const GUARDED = ['/api/v1/alerts', '/api/v1/apps/shop/restart', '/-/reload'];

t.test('without the token nothing happens', async (t) => {
  const { server, warden } = serverOf(t);
  const headers: (string | undefined)[] = [
    undefined, '', 'Bearer', 'Bearer ', `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`, `Token ${TOKEN}`, TOKEN,
    `Bearer ${TOKEN} ${TOKEN}`, basic('any', 'wrong'), `Basic ${Buffer.from(TOKEN).toString('base64')}`, 'Basic %%%',
  ];
  for (const url of GUARDED) {
    for (const authorization of headers) {
      const response = await server.inject({
        method: 'POST', url, headers: authorization === undefined ? {} : { authorization },
      });
      t.equal(response.statusCode, 401, `${url} with ${String(authorization)}`);
      t.match(response.headers['www-authenticate'], /Bearer/);
      t.strictSame(response.json(), {
        error: 'unauthorized',
        message: 'send the token from the token file as "Authorization: Bearer TOKEN"',
      });
    }
  }
  t.strictSame([warden.webhooks, warden.requests, warden.reloads], [[], [], 0]);
});

t.test('a stranger is told nothing of a body, and none of it is kept', async (t) => {
  const { server } = serverOf(t);
  for (const payload of ['not json', '{"nonsense":1}', Buffer.alloc(20 * 2 ** 20, ' ')]) {
    const response = await server.inject({
      method: 'POST', url: '/api/v1/alerts', payload, headers: { 'content-type': 'application/json' },
    });
    t.equal(response.statusCode, 401);
  }
});

t.test('as Bearer, or as the password of Basic', async (t) => {
  const { server } = serverOf(t);
  const headers = [`Bearer ${TOKEN}`, `bearer  ${TOKEN}`, basic('', TOKEN), basic('alertmanager', TOKEN)];
  for (const authorization of headers) {
    const response = await server.inject({ method: 'POST', url: '/-/reload', headers: { authorization } });
    t.equal(response.statusCode, 200, authorization);
  }
});

t.test('a colon belongs to the password', async (t) => {
  const { server, warden } = serverOf(t);
  warden.currentToken = 'a:b';
  const headers = { authorization: basic('user', 'a:b') };
  t.equal((await server.inject({ method: 'POST', url: '/-/reload', headers })).statusCode, 200);
});

t.test('a new token on disk counts at once, and the old one no more', async (t) => {
  const { server, warden } = serverOf(t);
  warden.currentToken = 'rotated';
  const reload = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await server.inject({ method: 'POST', url: '/-/reload', headers })).statusCode;
  };
  t.equal(await reload(TOKEN), 401);
  t.equal(await reload('rotated'), 200);
});

t.test('a token file that is gone lets nobody in', async (t) => {
  const { server, warden, log } = serverOf(t);
  warden.token = async () => {
    throw new HeapwardenError('TOKEN_UNREADABLE', 'the token file /t cannot be used: it is not there');
  };
  const response = await server.inject({
    method: 'POST', url: '/-/reload', headers: { authorization: `Bearer ${TOKEN}` },
  });
  t.equal(response.statusCode, 503);
  t.strictSame(log.at('error'), ['POST /-/reload: the token file /t cannot be used: it is not there']);
  t.equal(warden.reloads, 0);
});

t.test('reading needs no token', async (t) => {
  const { server } = serverOf(t);
  const incidents = ['/api/v1/incidents', '/api/v1/incidents/one'];
  for (const url of ['/', '/metrics', '/-/healthy', '/-/ready', '/api/v1/apps', ...incidents]) {
    t.equal((await server.inject(url)).statusCode, 200, url);
  }
});
