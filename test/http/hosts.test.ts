import { hostname } from 'node:os';
import t, { type Test } from 'tap';
import { hostRules } from '../../src/http/hosts.js';
import { BEARER, serverOf } from './support.js';

function serving(t: Test, listenHost: string, allowed: string[] = []) {
  const { server, warden } = serverOf(t, { hosts: hostRules(listenHost, allowed) });
  const status = async (method: 'GET' | 'POST', headers: Record<string, string>, url = method === 'GET' ? '/api/v1/apps' : '/-/reload') =>
    (await server.inject({ method, url, headers: { ...(method === 'POST' ? BEARER : {}), ...headers } })).statusCode;
  return { server, warden, status };
}

const OWN = ['127.0.0.1', '127.0.0.1:9973', '[::1]:9973', '[::1]', 'localhost', 'localhost:9973', 'LOCALHOST', 'a.localhost:1', '192.0.2.7:80', hostname(), 'localhost.'];
const FOREIGN = ['evil.example', 'evil.example:9973', '127.0.0.1.evil.example', 'localhost.evil.example', 'xlocalhost', '127.0.0.1@evil.example', 'evil.example#', '[evil]'];

t.test('DNS rebinding: on loopback nobody reads or changes anything by a strange name', async (t) => {
  const { server, warden, status } = serving(t, '127.0.0.1');
  for (const host of OWN) {
    t.equal(await status('GET', { host }), 200, host);
    t.equal(await status('POST', { host }), 200, host);
  }
  const reloads = warden.reloads;
  for (const host of FOREIGN) {
    for (const url of ['/', '/metrics', '/api/v1/apps', '/api/v1/stream', '/nowhere']) t.equal(await status('GET', { host }, url), 403, `${host}${url}`);
    t.equal(await status('POST', { host }), 403, host);
    t.equal(await status('POST', { host, origin: `http://${host}` }), 403, 'a page that was served under that name');
  }
  t.equal(warden.reloads, reloads);
  t.match((await server.inject({ url: '/', headers: { host: 'warden.example:80' } })).json(), {
    error: 'unknown_host',
    message:
      `"warden.example:80" is none of this heapwarden's names; where a proxy or a client calls it so, ` +
      'start it with --web.allowed-host=warden.example',
  });
});

t.test('in a network Prometheus and Alertmanager may know it by any name, a page may not', async (t) => {
  const { status } = serving(t, '0.0.0.0');
  t.equal(await status('GET', { host: 'heapwarden.shop.svc:9973' }), 200, 'a scrape');
  t.equal(await status('POST', { host: 'heapwarden.shop.svc:9973' }), 200, 'a webhook');
  t.equal(await status('POST', { host: 'evil.example', origin: 'http://evil.example' }), 403);
  t.equal(await status('POST', { host: 'evil.example', 'sec-fetch-site': 'same-origin' }), 403);
});

t.test('names that were told', async (t) => {
  const { status } = serving(t, '::', ['warden.example', 'Box']);
  for (const host of ['warden.example', 'WARDEN.example:443', 'box:9973', '127.0.0.1']) t.equal(await status('GET', { host }), 200, host);
  t.equal(await status('GET', { host: 'other.example' }), 403, 'from then on all others are strange');
  t.equal(await status('POST', { host: 'warden.example', origin: 'https://warden.example' }), 200, 'a proxy that passes Host on');
  t.equal(await status('POST', { host: '127.0.0.1:9973', origin: 'https://warden.example' }), 200, 'and one that does not');
  t.equal(await status('GET', { host: serving(t, 'box.lan').server ? 'box.lan' : '' }), 403);
  t.equal(await serving(t, 'box.lan', ['x']).status('GET', { host: 'box.lan:1' }), 200, 'the name it listens on');
});

t.test('another server of this machine has its name, too: a page of it is told by the port', async (t) => {
  const name = hostname().toLowerCase();
  for (const [listenHost, own] of [['127.0.0.1', name], ['0.0.0.0', name], ['box.lan', 'box.lan']] as const) {
    const { status } = serving(t, listenHost, listenHost === '0.0.0.0' ? ['warden.example'] : []);
    const host = `${own}:9973`;
    t.equal(await status('POST', { host, origin: `http://${own}:9973` }), 200, `${host}: the status page`);
    for (const port of [':3000', '', ':19973']) t.equal(await status('POST', { host, origin: `http://${own}${port}` }), 403, `${host}: ${port}`);
    t.equal(await status('POST', { host: '127.0.0.1:9973', origin: `http://${own}:3000` }), 403, `${host}: be it by address`);
  }
  const { status } = serving(t, '0.0.0.0', ['warden.example']);
  t.equal(await status('POST', { host: '127.0.0.1:9973', origin: 'https://warden.example:8443' }), 200, "a proxy's port is its own");
});

t.test('cross-site: what a page of another origin asks for is refused, token or not', async (t) => {
  const { status, warden } = serving(t, '127.0.0.1');
  const host = '127.0.0.1:9973';
  t.equal(await status('POST', { host, origin: 'http://127.0.0.1:9973', 'sec-fetch-site': 'same-origin' }), 200, 'the status page');
  t.equal(await status('POST', { host, 'sec-fetch-site': 'none' }), 200, 'typed by a person');
  const reloads = warden.reloads;
  const pages: Record<string, string>[] = [
    { origin: 'http://evil.example' }, { origin: 'http://127.0.0.1:3000' }, { origin: 'http://localhost:9973' }, { origin: 'null' },
    { origin: '' }, { origin: 'http://127.0.0.1:9973.evil.example' }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' },
    { origin: 'http://127.0.0.1:9973', 'sec-fetch-site': 'cross-site' },
  ];
  for (const headers of pages) t.equal(await status('POST', { host, ...headers }), 403, JSON.stringify(headers));
  t.equal(warden.reloads, reloads);
  for (const url of ['/api/v1/alerts', '/api/v1/apps/shop/restart', '/api/v1/apps/shop/pause', '/api/v1/apps/shop/resume']) {
    t.equal(await status('POST', { host, origin: 'http://evil.example' }, url), 403, url);
  }
  t.strictSame([warden.webhooks, warden.requests, warden.pauses], [[], [], []]);
  t.equal(await status('GET', { host, origin: 'http://evil.example' }), 200, 'what is read that way the browser keeps from the page: there is no CORS header');
});
