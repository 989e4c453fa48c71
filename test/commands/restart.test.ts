import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get, post } from '../../src/commands/client.js';
import type { RestartOptions } from '../../src/commands/options.js';
import { restart } from '../../src/commands/restart.js';
import { answerOf } from '../http/support.js';

interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingHttpHeaders;
  body: unknown;
}

/** A program that answers each request the same, and a command for it. */
async function asking(t: Test, status: number, answer: string | object) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      seen.push({ method, url, headers, body: JSON.parse(body) });
      response.writeHead(status).end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  t.teardown(() => server.closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const tokenFile = join(t.testdir({ token: 's3cret\n' }), 'token');
  const lines: string[] = [];
  const run = (options: Partial<RestartOptions> = {}) => {
    const plain = { app: 'shop', worker: null, reason: 'manual', force: false, dryRun: false } as const;
    return restart({ ...plain, url, tokenFile, configFile: null, ...options }, (line) => lines.push(line));
  };
  return { run, seen, lines, url, tokenFile };
}

const [yes, no, dry] = [
  answerOf('restart', 'manual'),
  answerOf('refuse', 'cooldown', '1'),
  answerOf('refuse', 'dry_run'),
];

t.test('it is restarted', async (t) => {
  const { run, seen, lines } = await asking(t, 202, { decisions: [yes] });
  t.equal(await run(), 0);
  t.strictSame(lines, ['shop/0: about it', 'what comes of it: heapwarden incidents shop']);
  t.match(seen, [
    {
      method: 'POST',
      url: '/api/v1/apps/shop/restart',
      headers: { authorization: 'Bearer s3cret', 'content-type': 'application/json' },
    },
  ]);
  t.strictSame(seen[0]!.body, { reason: 'manual', force: false, dry_run: false });
});

t.test('what is asked for is passed on, under any address', async (t) => {
  const { run, seen, url } = await asking(t, 202, { decisions: [yes] });
  const options = { app: 'a/b ü', worker: '1', reason: 'heap', force: true, dryRun: true } as const;
  for (const base of [`${url}/behind/a/proxy`, `${url}/behind/a/proxy/`]) {
    await run({ ...options, url: base });
    const { url: path, body } = seen.pop()!;
    t.equal(path, '/behind/a/proxy/api/v1/apps/a%2Fb%20%C3%BC/restart');
    t.strictSame(body, { worker: '1', reason: 'heap', force: true, dry_run: true });
  }
});

t.test('the exit status is 0 only where all was done that was asked for', async (t) => {
  const cases: [ReturnType<typeof answerOf>[], number, boolean, number][] = [
    [[yes, yes], 202, false, 0],
    [[yes, no], 202, false, 1],
    [[no], 409, false, 1],
    [[answerOf('refuse', 'unknown_app')], 404, false, 1],
    [[dry], 202, true, 0],
    [[dry], 409, false, 1],
  ];
  for (const [decisions, status, dryRun, exit] of cases) {
    const { run, lines } = await asking(t, status, { decisions });
    t.equal(await run({ dryRun }), exit);
    t.equal(lines.filter((line) => line.startsWith('shop/')).length, decisions.length, 'each is told');
    const gated = decisions.some(({ reason }) => reason === 'cooldown');
    t.equal(lines.includes('--force passes over that'), gated);
  }
});

t.test('a token that is not its own', async (t) => {
  const { run, url, tokenFile } = await asking(t, 401, { error: 'unauthorized', message: 'send the token' });
  await t.rejects(run(), {
    code: 'REQUEST_FAILED',
    message:
      `the heapwarden at ${url} does not know the token in ${tokenFile}. Name its own with --token.file, ` +
      'or its config with --config.file',
  });
});

t.test('an answer without decisions', async (t) => {
  const refused = await asking(t, 503, { error: 'failed', message: 'the journal cannot be written: ENOSPC' });
  await t.rejects(refused.run(), {
    code: 'REQUEST_FAILED',
    message: `heapwarden at ${refused.url} said: the journal cannot be written: ENOSPC`,
  });
  const silent = await asking(t, 500, {});
  await t.rejects(silent.run(), { message: `heapwarden at ${silent.url} said: HTTP 500` });
});

t.test('too many requests: it says for how long to wait', async (t) => {
  const message = 'shop: 30 requests to restart came in the last minute, and no more are taken. Wait 12 s';
  const { run, url } = await asking(t, 429, { error: 'too_many_requests', message });
  await t.rejects(run(), { code: 'REQUEST_FAILED', message: `heapwarden at ${url} said: ${message}` });
});

t.test('something else that answers', async (t) => {
  for (const answer of ['<html>It works!</html>', '', 'null', '[]', '"ok"']) {
    const { run, url } = await asking(t, 200, answer);
    await t.rejects(run(), {
      code: 'REQUEST_FAILED',
      message: `what answers at ${url} (HTTP 200) is not heapwarden. Name its address with --url`,
    });
  }
});

t.test('nobody answers', async (t) => {
  const { run } = await asking(t, 200, {});
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  await t.rejects(run({ url: `http://127.0.0.1:${port}` }), {
    code: 'REQUEST_FAILED',
    message:
      `no heapwarden answers at http://127.0.0.1:${port} (connect ECONNREFUSED 127.0.0.1:${port}). ` +
      'Is it running? Name its address with --url',
  });
  const several = { url: `http://localhost:${port}` };
  await t.rejects(run(several), { message: /\(connect ECONNREFUSED / });
});

t.test('who takes the connection and never answers, or never to the end, is not waited for', async (t) => {
  const { tokenFile } = await asking(t, 200, {});
  const sockets: Socket[] = [];
  let answer = '';
  const server = createTcpServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    socket.write(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  t.teardown(() => sockets.forEach((socket) => socket.destroy()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = { url, tokenFile, configFile: null };
  const remedy = 'Is it running? Name its address with --url';
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n';
  for (const begun of ['', `${head}\r\n{`, `${head}Content-Encoding: gzip\r\n\r\n`]) {
    answer = begun;
    await t.rejects(get(options, 'api/v1/apps', 50), {
      code: 'REQUEST_FAILED',
      message: `no heapwarden answers at ${url} (no answer within 0.05 s). ${remedy}`,
    });
    await t.rejects(post(options, 'api/v1/apps/shop/restart', {}, 50), {
      code: 'REQUEST_FAILED',
      message:
        `no heapwarden answers at ${url} (no answer within 0.05 s; what was asked of it may still be done). ${remedy}`,
    });
  }
});

t.test('the token is that of the config, where none is named', async (t) => {
  const { run, seen } = await asking(t, 202, { decisions: [yes] });
  const dir = t.testdir({ 'h.yml': 'auth: { token_file: ./mine }\n', mine: 'of-the-config' });
  await run({ tokenFile: null, configFile: join(dir, 'h.yml') });
  t.equal(seen[0]!.headers.authorization, 'Bearer of-the-config');
  await t.rejects(run({ tokenFile: join(dir, 'none') }), { code: 'TOKEN_UNREADABLE', message: /it is not there/ });
});
