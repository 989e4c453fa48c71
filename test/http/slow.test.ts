/** Clients that are slow on purpose, on real sockets. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { closeServer, listen } from '../../src/http/server.js';
import { serverOf, TOKEN } from './support.js';

t.setTimeout(120_000);

async function serving(t: Test) {
  const { server, warden } = serverOf(t);
  const url = await listen(server, { host: '127.0.0.1', port: 0 });
  t.teardown(() => closeServer(server));
  return { warden, url, port: Number(new URL(url).port) };
}

/** What it was sent until it was cut off, and after how many milliseconds that was. */
async function drip(t: Test, port: number, start: string, more: string): Promise<{ text: string; afterMs: number }> {
  const socket: Socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  await once(socket, 'connect');
  const startedAt = performance.now();
  socket.write(start);
  const timer = setInterval(() => socket.write(more), 500);
  await once(socket, 'close');
  clearInterval(timer);
  return { text, afterMs: performance.now() - startedAt };
}

t.test('slowloris: headers and bodies that never end, and silence', async (t) => {
  const { warden, url, port } = await serving(t);
  const head = `POST /-/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\n`;
  const [headers, body, silence] = await Promise.all([
    drip(t, port, 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n', 'X-A: b\r\n'),
    drip(t, port, `${head}Content-Length: 9999\r\n\r\n`, ' '),
    drip(t, port, '', ''),
    (async () => {
      // Meanwhile others are served as ever.
      for (let i = 0; i < 20; i++) {
        t.equal((await fetch(`${url}/metrics`)).status, 200);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })(),
  ]);
  t.match(headers.text, /^HTTP\/1\.1 408 /);
  t.ok(headers.afterMs < 20_000, `headers: ${headers.afterMs} ms`);
  t.match(body.text, /^HTTP\/1\.1 408 /);
  t.ok(body.afterMs < 45_000, `body: ${body.afterMs} ms`);
  t.ok(silence.afterMs < 20_000, `silence: ${silence.afterMs} ms`);
  t.equal(warden.reloads, 0);
});

t.test('headers that are too large, and a body that is', async (t) => {
  const { port } = await serving(t);
  const large = await drip(t, port, `GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-A: ${'x'.repeat(40_000)}\r\n\r\n`, '');
  t.match(large.text, /^HTTP\/1\.1 431 /);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', method: 'POST', path: '/api/v1/apps/shop/restart', agent: false, headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', 'content-length': 2 * 2 ** 20 } });
    sent.on('response', (response) => resolve(response.statusCode));
    sent.on('error', reject);
    sent.write('{');
  });
  t.equal(status, 413, 'told by its length, before it is read');
});
