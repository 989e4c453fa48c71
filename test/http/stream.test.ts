import { request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGunzip } from 'node:zlib';
import t, { type Test } from 'tap';
import { until } from '../observe/support.js';
import { serverOf } from './support.js';

async function listening(t: Test) {
  const { server, warden } = serverOf(t);
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.server.address() as AddressInfo;
  const open = (headers: Record<string, string> = {}): Promise<{ response: IncomingMessage; text(): string }> =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path: '/api/v1/stream', agent: false, headers }, (response) => {
        let text = '';
        const body = response.headers['content-encoding'] === 'gzip' ? response.pipe(createGunzip()) : response;
        body.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('error', () => {});
        resolve({ response, text: () => text });
      });
      asked.on('error', reject).end();
      t.teardown(() => asked.destroy());
    });
  return { server, warden, open };
}

t.test('everything at once, and then what has changed', async (t) => {
  const { warden, open } = await listening(t);
  const { response, text } = await open();
  t.match(response.headers, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' });
  await until('the first events', () => text().includes('event: incidents'));
  const events = text().split('\n\n').filter((event) => event.startsWith('event: '));
  t.strictSame(events.map((event) => event.split('\n')[0]), ['event: status', 'event: apps', 'event: incidents']);
  t.match(JSON.parse(events[1]!.split('data: ')[1]!), { apps: [{ app: 'shop' }] });
  t.match(JSON.parse(events[2]!.split('data: ')[1]!), { incidents: [{ id: 'one' }] });
  const before = text().length;
  warden.apps = () => [];
  warden.changes.tell('apps');
  await until('the change', () => text().length > before);
  t.equal(text().slice(before), 'event: apps\ndata: {"apps":[]}\n\n');
});

t.test('zipped for who takes it: each event whole, as soon as it is there', async (t) => {
  const { warden, open } = await listening(t);
  const { response, text } = await open({ 'accept-encoding': 'br, gzip' });
  t.equal(response.headers['content-encoding'], 'gzip');
  await until('the first events', () => text().includes('event: incidents') && text().endsWith('\n\n'));
  const before = text().length;
  warden.apps = () => [];
  warden.changes.tell('apps');
  await until('the change', () => text().length > before);
  t.equal(text().slice(before), 'event: apps\ndata: {"apps":[]}\n\n');
  t.equal((await open({ 'accept-encoding': 'gzip;q=0' })).response.headers['content-encoding'], undefined);
});

t.test('one who does not read is sent the newest when he does', async (t) => {
  const { warden, open } = await listening(t);
  const { response, text } = await open();
  await until('the first events', () => text().includes('event: incidents'));
  response.pause();
  const status = warden.status();
  let turn = 0;
  warden.status = () => ({ ...status, version: `${turn}${'x'.repeat(1_000_000)}` });
  for (turn = 1; turn <= 40; turn++) {
    warden.changes.tell('status');
    await new Promise((resolve) => setImmediate(resolve));
  }
  turn = 40;
  response.resume();
  await until('the newest', () => text().includes('"version":"40x'), 60_000);
  const seen = [...text().matchAll(/"version":"(\d+)x/g)].map(([, version]) => Number(version));
  t.ok(seen.length < 40, `${seen.length} of 40 were sent`);
  t.strictSame(seen, seen.toSorted((a, b) => a - b));
});

t.test('so many and no more; a server that closes ends them', async (t) => {
  const { server, open } = await listening(t);
  const streams: Awaited<ReturnType<typeof open>>[] = [];
  for (let i = 0; i < 64; i++) streams.push(await open());
  const { response, text } = await open();
  t.equal(response.statusCode, 503);
  await until('the answer', () => text().includes('too_many_streams'));
  streams[0]!.response.destroy();
  await until('room for another', async () => (await open()).response.statusCode === 200);
  const ended = new Promise((resolve) => streams[1]!.response.once('end', resolve));
  await server.close();
  await ended;
});

t.test('the history of an app', async (t) => {
  const { server, warden } = serverOf(t);
  t.match((await server.inject('/api/v1/apps/shop/history')).json(), { app: 'shop', step_seconds: 10 });
  t.match((await server.inject('/api/v1/apps/shop/history?range=24h')).json(), { step_seconds: 120 });
  t.equal((await server.inject('/api/v1/apps/shop/history?range=2h')).statusCode, 400);
  const unknown = await server.inject('/api/v1/apps/nobody/history');
  t.equal(unknown.statusCode, 404);
  t.match(unknown.json(), { error: 'not_found', message: 'no app "nobody" is known' });
  warden.history = (app, _range, worker) => ({ app: `${app}/${worker}`, start_seconds: 0, step_seconds: 10, workers: [] });
  t.match((await server.inject('/api/v1/apps/shop/history?worker=1')).json(), { app: 'shop/1' });
});
