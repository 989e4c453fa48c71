import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net';
import t from 'tap';
import { HeapwardenError } from '../../src/errors.js';
import { closeServer, createServer, listen, parseListenAddress } from '../../src/http/server.js';
import { MemoryLog } from '../act/support.js';
import { serverOf } from './support.js';

t.test('an address to listen on', async (t) => {
  const cases: [string, { host: string; port: number } | null][] = [
    ['127.0.0.1:9973', { host: '127.0.0.1', port: 9973 }],
    ['localhost:80', { host: 'localhost', port: 80 }],
    ['[::1]:9973', { host: '::1', port: 9973 }],
    [':9973', { host: '::', port: 9973 }],
    ['0.0.0.0:0', { host: '0.0.0.0', port: 0 }],
    ['box.example:65535', { host: 'box.example', port: 65_535 }],
    ['127.0.0.1:65536', null],
    ['127.0.0.1', null],
    ['9973', null],
    ['127.0.0.1:', null],
    ['127.0.0.1:http', null],
    ['127.0.0.1:-1', null],
    ['::1:9973', null],
    ['[::1]', null],
    ['http://127.0.0.1:9973', null],
    ['', null],
  ];
  for (const [text, address] of cases) t.strictSame(parseListenAddress(text), address, text);
});

t.test('listens, and says where', async (t) => {
  const { server } = serverOf(t);
  const url = await listen(server, { host: '127.0.0.1', port: 0 });
  t.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
  t.equal((await fetch(`${url}/-/healthy`)).status, 200);
});

t.test('closes without waiting for a scraper that keeps its connection', async (t) => {
  const { server } = serverOf(t);
  const url = await listen(server, { host: '127.0.0.1', port: 0 });
  await (await fetch(`${url}/metrics`)).text();
  await server.close();
});

t.test('closes without waiting for a client that never says a word', async (t) => {
  const { server } = serverOf(t);
  const { port } = new URL(await listen(server, { host: '127.0.0.1', port: 0 }));
  const client = connect(Number(port), '127.0.0.1');
  t.teardown(() => client.destroy());
  client.on('error', () => {});
  await new Promise((resolve) => client.once('connect', resolve));
  const cutOff = new Promise((resolve) => client.once('close', resolve));
  const startedAt = performance.now();
  await closeServer(server);
  t.ok(performance.now() - startedAt < 10_000, 'it was waited for, but not for long');
  await cutOff;
});

t.test('an address that cannot be had', async (t) => {
  const other = createTcpServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => other.close(resolve)));
  const { port } = other.address() as AddressInfo;
  const { server } = serverOf(t);
  await t.rejects(listen(server, { host: '127.0.0.1', port }), {
    code: 'ADDRESS_IN_USE',
    message:
      `cannot listen on 127.0.0.1:${port}: another program listens there (a heapwarden that still runs?). ` +
      'Choose another with --web.listen-address=HOST:PORT',
  });
  // TEST-NET-1 (RFC 5737) is nobody's address.
  await t.rejects(listen(serverOf(t).server, { host: '192.0.2.1', port: 80 }), {
    code: 'ADDRESS_IN_USE',
    message: /^cannot listen on 192\.0\.2\.1:80: listen EADDRNOTAVAIL/,
  });
  await t.rejects(listen(serverOf(t).server, { host: '2001:db8::1', port: 80 }), {
    message: /^cannot listen on \[2001:db8::1\]:80: /,
  });
});

t.test('what is not here', async (t) => {
  const { server } = serverOf(t);
  for (const [method, url] of [['GET', '/nowhere?x=1'], ['POST', '/metrics'], ['DELETE', '/api/v1/apps']] as const) {
    const response = await server.inject({ method, url });
    t.equal(response.statusCode, 404);
    const message = `${method} ${url.split('?')[0]} is not here; see /`;
    t.strictSame(response.json(), { error: 'not_found', message });
  }
});

t.test('a failure tells the caller no more than it should, and the log all of it', async (t) => {
  const log = new MemoryLog();
  const secret = new TypeError("cannot read '/root/secret'");
  const server = createServer(
    [
      async (scope) => {
        scope.get('/bug', async () => {
          throw secret;
        });
        scope.get('/known', async () => {
          throw new HeapwardenError('JOURNAL_UNWRITABLE', 'the journal cannot be written: ENOSPC');
        });
      },
    ],
    { version: '1.2.3', log },
  );
  t.teardown(() => server.close());
  const bug = await server.inject('/bug');
  t.equal(bug.statusCode, 500);
  t.strictSame(bug.json(), { error: 'failed', message: 'heapwarden failed at this; its log says why' });
  t.strictSame(log.entries[0], {
    level: 'error',
    message: "GET /bug: cannot read '/root/secret'",
    fields: { stack: secret.stack },
  });

  const known = await server.inject('/known');
  t.equal(known.statusCode, 503, 'Alertmanager tries again');
  t.strictSame(known.json(), { error: 'failed', message: 'the journal cannot be written: ENOSPC' });
  t.match(log.entries[1], { message: 'GET /known: the journal cannot be written: ENOSPC', fields: {} });
});

t.test('no browser guesses what an answer is', async (t) => {
  const { server } = serverOf(t);
  for (const url of ['/', '/metrics', '/api/v1/apps', '/nowhere', '/-/reload']) {
    t.equal((await server.inject(url)).headers['x-content-type-options'], 'nosniff', url);
  }
});
