import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { waitUntilReady } from '../../src/act/ready.js';
import { systemClock } from '../../src/clock.js';
import { NOW } from '../decide/support.js';
import { FakeClock } from './support.js';

const { signal } = new AbortController();
const byUrl = { socketPath: null };

async function listening(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

async function http(t: Test, listener: RequestListener): Promise<string> {
  const server = createHttpServer(listener);
  const port = await listening(t, server);
  t.teardown(() => server.closeAllConnections());
  return `http://127.0.0.1:${port}/health`;
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

t.test('2xx and 3xx are ready, all else is not', async (t) => {
  const cases = [[200, true], [204, true], [302, true], [399, true], [400, false], [503, false]] as const;
  for (const [status, ready] of cases) {
    const url = await http(t, (_request, response) => response.writeHead(status, { location: '/elsewhere' }).end());
    t.equal(await waitUntilReady({ http: url, timeout: ready ? 2000 : 0 }, byUrl, new FakeClock(), signal), ready, String(status));
  }
});

t.test('where a status is expected, it alone is ready', async (t) => {
  const cases = [[200, 204, false], [204, 204, true], [503, 503, true]] as const;
  for (const [answer, status, ready] of cases) {
    const url = await http(t, (_request, response) => response.writeHead(answer).end());
    const check = { http: url, status, timeout: ready ? 2000 : 0 };
    t.equal(await waitUntilReady(check, byUrl, new FakeClock(), signal), ready, `${answer} of ${status}`);
  }
});

t.test('a process with a socket of its own is asked there, whoever has the port', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hw-ready-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const target = { socketPath: join(folder, 'own') };
  const url = await http(t, (_request, response) => response.end('the old one'));
  const checks = [{ http: url, timeout: 0 }, { tcp: new URL(url).host, timeout: 0 }];
  for (const check of checks) t.equal(await waitUntilReady(check, target, new FakeClock(), signal), false, 'nobody there');
  const asked: string[] = [];
  const own = createHttpServer(({ url: path, headers: { host } }, response) => {
    asked.push(`${host}${path}`);
    response.writeHead(asked.length < 2 ? 503 : 200).end();
  });
  await new Promise<void>((resolve) => own.listen(target.socketPath, resolve));
  t.teardown(() => new Promise((resolve) => own.close(resolve)));
  t.equal(await waitUntilReady({ ...checks[0]!, timeout: 1000 }, target, new FakeClock(), signal), true);
  t.strictSame(asked, Array.from({ length: 2 }, () => `${new URL(url).host}/health`), 'as by the URL');
  t.equal(await waitUntilReady(checks[1]!, target, new FakeClock(), signal), true);
});

t.test('what an agent or PM2 must answer is not asked here', async (t) => {
  await t.rejects(waitUntilReady({ agent: true, timeout: 0 }, byUrl, new FakeClock(), signal), TypeError);
});

t.test('it is asked again until it is ready', async (t) => {
  let asked = 0;
  const url = await http(t, (_request, response) => response.writeHead(++asked < 4 ? 503 : 200).end());
  const clock = new FakeClock();
  t.equal(await waitUntilReady({ http: url, timeout: 1000 }, byUrl, clock, signal), true);
  t.equal(asked, 4);
  t.equal(clock.nowMs, NOW + 600);
});

t.test('and not for longer than its timeout', async (t) => {
  const clock = new FakeClock();
  const check = { tcp: `127.0.0.1:${await freePort()}`, timeout: 1000 };
  t.equal(await waitUntilReady(check, byUrl, clock, signal), false);
  t.equal(clock.nowMs, NOW + 1000);
});

t.test('a port that accepts is ready', async (t) => {
  const port = await listening(t, createServer((socket) => socket.end()));
  t.equal(await waitUntilReady({ tcp: `127.0.0.1:${port}`, timeout: 0 }, byUrl, new FakeClock(), signal), true);
  t.equal(await waitUntilReady({ tcp: `localhost:${port}`, timeout: 0 }, byUrl, new FakeClock(), signal), true);
});

t.test('one that never answers holds nobody up for longer than the timeout', async (t) => {
  const url = await http(t, () => {}); // accepts, and is silent
  const startedAt = performance.now();
  t.equal(await waitUntilReady({ http: url, timeout: 300 }, byUrl, systemClock, signal), false);
  t.ok(performance.now() - startedAt < 1990, 'less than one try may take');
});

t.test('a warden that closes does not wait', async (t) => {
  const closing = new AbortController();
  const url = await http(t, () => closing.abort());
  t.equal(await waitUntilReady({ http: url, timeout: 60_000 }, byUrl, systemClock, closing.signal), false);
  t.equal(await waitUntilReady({ http: url, timeout: 60_000 }, byUrl, systemClock, closing.signal), false, 'nor begin');
});
