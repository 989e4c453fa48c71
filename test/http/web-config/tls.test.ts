/** Real handshakes with real certificates, as the exporter toolkit's TestServerBehaviour has them. */
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { get as getPlain } from 'node:http';
import { get } from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import nodeTls, { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { closeServer, listen } from '../../../src/http/server.js';
import { WebConfigFile } from '../../../src/http/web-config/web-config-file.js';
import { waitFor } from '../../integration/wait.js';
import { serverOf } from '../support.js';
import { authority, leaf, selfSigned } from './certificates.js';

const folder = mkdtempSync(join(tmpdir(), 'hw-tls-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
const ca = authority(folder);
const server = leaf(folder, 'server', ca, 'IP:127.0.0.1,DNS:localhost');
const client = leaf(folder, 'client', ca, 'DNS:client.example,email:a@b.example,IP:::1,URI:spiffe://x/y');
const stranger = selfSigned(folder, 'stranger', 'DNS:client.example');

const PLAIN = 'cert_file: server.pem, key_file: server.key';

async function serving(t: Test, tls: string, rest = '') {
  const file = join(mkdtempSync(join(folder, 'web-')), 'web.yml');
  const write = (text: string, more = rest): void => {
    const absolute = text.replaceAll(/\b(\w+\.(pem|key))/g, `${folder}/$1`);
    writeFileSync(`${file}.new`, `tls_server_config: { ${absolute} }\n${more}`);
    renameSync(`${file}.new`, file); // nobody reads half of it
  };
  write(tls);
  const webConfig = await WebConfigFile.open(file);
  const parts = serverOf(t, { webConfig });
  const url = await listen(parts.server, { host: '127.0.0.1', port: 0 }, webConfig.usesTls);
  return { ...parts, url, port: Number(new URL(url).port), file, write };
}

interface Got {
  status: number;
  body: string;
  headers: Record<string, unknown>;
  protocol: string | null;
  cipher: string;
}

/** One request on a connection of its own. Rejects where the handshake fails, or the server hangs up after it. */
function ask(port: number, options: ConnectionOptions = {}, path = '/-/healthy'): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, ca: ca.cert, agent: false, ...options }, (response) => {
      const socket = response.socket as TLSSocket;
      const [protocol, cipher] = [socket.getProtocol(), socket.getCipher().standardName];
      let body = '';
      response.on('data', (chunk) => (body += String(chunk)));
      response.on('end', () => resolve({ status: response.statusCode!, body, headers: response.headers, protocol, cipher }));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

const works = async (t: Test, port: number, options: ConnectionOptions, name: string): Promise<void> => {
  t.equal((await ask(port, options).catch(String) as Got).status, 200, name);
};
const fails = (t: Test, port: number, options: ConnectionOptions, name: string): Promise<unknown> =>
  t.rejects(ask(port, options), name);

t.test('https where the file has a certificate', async (t) => {
  const { url, port, server: http } = await serving(t, PLAIN);
  t.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
  t.match(await ask(port), { status: 200, body: 'heapwarden is healthy.\n', protocol: 'TLSv1.3' });
  t.match(await ask(port, {}, '/'), { status: 200, body: /<html/ }, 'the page');
  t.match(await ask(port, {}, '/metrics'), { status: 200 });
  await t.rejects(ask(port, { ca: stranger.cert }), 'nobody else has signed it');
  const plain = new Promise<number | undefined>((resolve, reject) => {
    getPlain({ host: '127.0.0.1', port, path: '/metrics', agent: false }, (response) => resolve(response.statusCode)).on('error', reject);
  });
  await t.rejects(plain, 'plain HTTP gets no answer');
  await closeServer(http);
});

t.test('certificate and key in the file itself', async (t) => {
  const indented = (pem: string) => pem.trim().split('\n').map((line) => `    ${line}`).join('\n');
  const { port, file } = await serving(t, PLAIN);
  writeFileSync(file, `tls_server_config:\n  cert: |\n${indented(server.cert)}\n  key: |\n${indented(server.key)}\n`);
  await works(t, port, {}, 'inline');
});

t.test('TLS versions', async (t) => {
  const old = { ciphers: 'DEFAULT@SECLEVEL=0' };
  const upTo11 = { ...old, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' } as const;
  const only = (version: 'TLSv1.2' | 'TLSv1.3') => ({ minVersion: version, maxVersion: version });
  const byDefault = await serving(t, PLAIN);
  await fails(t, byDefault.port, upTo11, '1.1 is too old by default');
  t.match(await ask(byDefault.port, only('TLSv1.2')), { protocol: 'TLSv1.2' });
  const from13 = await serving(t, `${PLAIN}, min_version: TLS13`);
  await fails(t, from13.port, only('TLSv1.2'), '1.2 where 1.3 is the least');
  await works(t, from13.port, only('TLSv1.3'), '1.3');
  const to12 = await serving(t, `${PLAIN}, max_version: TLS12`);
  await fails(t, to12.port, only('TLSv1.3'), '1.3 where 1.2 is the most');
  const from11 = await serving(t, `${PLAIN}, min_version: TLS11`);
  t.match(await ask(from11.port, upTo11), { protocol: 'TLSv1.1' }, 'and whoever asks for 1.1 gets it');
  t.match(await ask(from11.port, {}), { protocol: 'TLSv1.3' });
});

t.test('cipher suites and curves', async (t) => {
  const max12 = { maxVersion: 'TLSv1.2' } as const;
  const [aes256, aes128, chacha] = ['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'];
  const suites = 'cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]';
  const chosen = await serving(t, `${PLAIN}, ${suites}`);
  await fails(t, chosen.port, { ...max12, ciphers: chacha }, 'no cipher in common');
  const both = { ...max12, ciphers: `${aes128}:${aes256}` };
  t.match(await ask(chosen.port, both), { cipher: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384' }, "the server's order");
  const theirs = await serving(t, `${PLAIN}, prefer_server_cipher_suites: false, ${suites}`);
  t.match(await ask(theirs.port, both), { cipher: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256' }, "the client's order");
  t.match(await ask(chosen.port), { protocol: 'TLSv1.3' }, 'whose suites nobody chooses');

  const curves = await serving(t, `${PLAIN}, curve_preferences: [CurveP521]`);
  await works(t, curves.port, { ecdhCurve: 'P-521' }, 'a curve in common');
  await fails(t, curves.port, { ecdhCurve: 'P-384' }, 'no curve in common');
});

t.test('client certificates, by each of Go\'s policies', async (t) => {
  const [none, signed, own] = [{}, { cert: client.cert, key: client.key }, { cert: stranger.cert, key: stranger.key }];
  const policies: [policy: string, ok: boolean[]][] = [
    ['NoClientCert', [true, true, true]],
    ['RequestClientCert', [true, true, true]],
    ['RequireAnyClientCert', [false, true, true]],
    ['RequireClientCert', [false, true, true]],
    ['VerifyClientCertIfGiven', [true, true, false]],
    ['RequireAndVerifyClientCert', [false, true, false]],
  ];
  for (const [policy, expected] of policies) {
    const authorities = policy === 'NoClientCert' ? '' : ', client_ca_file: authority.pem';
    const { port } = await serving(t, `${PLAIN}, client_auth_type: ${policy}${authorities}`);
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const [a, b, c] = [none, signed, own].map((shown) => ({ ...shown, minVersion: version, maxVersion: version }));
      const got = await Promise.all([a!, b!, c!].map((shown) => ask(port, shown).then(({ status }) => status === 200, () => false)));
      t.strictSame(got, expected, `${policy} with no, a signed, and a stranger's certificate, ${version}`);
    }
  }
});

t.test('names in a client certificate', async (t) => {
  const shown = { cert: client.cert, key: client.key };
  const demand = (sans: string) => `${PLAIN}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: authority.pem, client_allowed_sans: [${sans}]`;
  for (const san of ['client.example', 'a@b.example', '"::1"', '"spiffe://x/y"', 'nobody, client.example']) {
    await works(t, (await serving(t, demand(san))).port, shown, san);
  }
  for (const san of ['', 'example', 'client.example.', 'CLIENT.EXAMPLE', '127.0.0.1']) {
    const { port, log } = await serving(t, demand(san));
    await fails(t, port, shown, JSON.stringify(san));
    t.match(log.at('warn'), ['a client was turned away before its request: none of the names in its certificate is in client_allowed_sans']);
  }
  const anySigner = await serving(t, `${PLAIN}, client_auth_type: RequireAnyClientCert, client_allowed_sans: [client.example]`);
  await works(t, anySigner.port, { cert: stranger.cert, key: stranger.key }, 'whoever has signed it');
});

t.test('another file counts from the next connection on, and other certificates do', async (t) => {
  const { port, write, log, file } = await serving(t, PLAIN);
  const kept = connect({ host: '127.0.0.1', port, ca: ca.cert });
  t.teardown(() => kept.destroy());
  await once(kept, 'secureConnect');
  await works(t, port, {}, 'at first');

  const other = leaf(folder, 'renewed', ca, 'IP:127.0.0.1');
  write('cert_file: renewed.pem, key_file: renewed.key');
  const serialOf = async (): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port, ca: ca.cert });
    await once(socket, 'secureConnect');
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return String(subject.CN);
  };
  t.equal(await serialOf(), 'renewed', 'another file is named');
  const renewed = leaf(mkdtempSync(join(folder, 'again-')), 'in-place', ca, 'IP:127.0.0.1');
  writeFileSync(other.certFile, renewed.cert);
  await fails(t, port, {}, 'a certificate without its key');
  t.match(log.at('error'), [/^every connection is refused, for the web config file has become bad:\n.*renewed\.key\) is not the key of the certificate/]);
  writeFileSync(other.keyFile, renewed.key);
  t.equal(await serialOf(), 'in-place', 'the same files with other content');

  write(`${PLAIN}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: authority.pem`);
  await fails(t, port, {}, 'from now on a certificate is demanded');
  await works(t, port, { cert: client.cert, key: client.key }, 'and shown');
  writeFileSync(file, '');
  await fails(t, port, { cert: client.cert, key: client.key }, 'it never goes back to plain HTTP');
  write(PLAIN);
  await works(t, port, {}, 'and goes on when it can');
  kept.write('GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const [answer] = (await once(kept, 'data')) as [Buffer];
  t.match(String(answer), /^HTTP\/1\.1 200 /, 'a connection that was there before is served');
});

t.test('certificates are read at each connection, and looked into only where they are others', async (t) => {
  const { file, write } = await serving(t, PLAIN);
  const webConfig = await WebConfigFile.open(file);
  const made = t.capture(nodeTls, 'createSecureContext', nodeTls.createSecureContext);
  syncBuiltinESMExports();
  t.teardown(() => {
    made.restore();
    syncBuiltinESMExports();
  });
  const engine = () => webConfig.engine(() => {}, () => {});
  const several = () => Promise.all([engine(), engine(), engine()]);
  const first = await engine();
  const perEngine = made().length;
  t.ok(perEngine > 0);
  t.strictSame(new Set([...(await several()), await engine()]), new Set([first]));
  t.strictSame(made(), [], 'nothing has changed');

  leaf(folder, 'rotated', ca, 'IP:127.0.0.1');
  write('cert_file: rotated.pem, key_file: rotated.key');
  const second = await engine();
  t.not(second, first, 'another file');
  made();
  leaf(folder, 'rotated', ca, 'IP:127.0.0.1');
  const [third, ...others] = await several();
  t.not(third, second, 'the same file with other content');
  t.ok(others.every((other) => other === third));
  t.equal(made().length, perEngine, 'and one of those who come at once pays for it');

  writeFileSync(join(folder, 'rotated.key'), server.key);
  await t.rejects(engine(), { code: 'CONFIG_INVALID' }, 'a bad one is refused');
  await t.rejects(engine(), { code: 'CONFIG_INVALID' }, 'and again');
  rmSync(join(folder, 'rotated.key'));
  await t.rejects(engine(), { message: /rotated\.key\) cannot be read: ENOENT/ });
});

t.test('headers of the file, on every answer', async (t) => {
  const headers = '{ Strict-Transport-Security: max-age=9, Content-Security-Policy: "default-src *", X-Frame-Options: deny }';
  const { port } = await serving(t, PLAIN, `http_server_config: { headers: ${headers} }\n`);
  for (const path of ['/metrics', '/nowhere', '/api/v1/apps']) {
    const { headers: got } = await ask(port, {}, path);
    t.match(got, { 'strict-transport-security': 'max-age=9', 'x-frame-options': 'deny', 'x-content-type-options': 'nosniff' }, path);
  }
  const page = await ask(port, {}, '/');
  t.match(page.headers['content-security-policy'], /default-src 'none'/, "the page's own policy is stricter, and stays");
  const stream = connect({ host: '127.0.0.1', port, ca: ca.cert });
  t.teardown(() => stream.destroy());
  stream.write('GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [head] = (await once(stream, 'data')) as [Buffer];
  t.match(String(head), /strict-transport-security: max-age=9/i, 'of a stream, too');
});

t.test('who says nothing in the handshake does not hold a stop up', async (t) => {
  const { port, server: http } = await serving(t, PLAIN);
  const silent = connectPlain(port, '127.0.0.1');
  silent.on('error', () => {});
  await once(silent, 'connect');
  const cut = once(silent, 'close');
  const startedAt = performance.now();
  await closeServer(http);
  await cut;
  t.ok(performance.now() - startedAt < 9000, 'the patience with a handshake is 10 s');
});

t.test('a stop waits for the answer that a client is owed', async (t) => {
  const { port, server: http, warden } = await serving(t, PLAIN);
  await ask(port); // the engine is made for this one
  let [entered, finish] = [(): void => {}, (): void => {}];
  const isInside = new Promise<void>((resolve) => (entered = resolve));
  const isOver = new Promise<void>((resolve) => (finish = resolve));
  warden.onMetrics = async () => (entered(), await isOver, 'late 1\n');
  const late = ask(port, {}, '/metrics');
  await isInside;
  const closed = closeServer(http);
  setTimeout(finish, 50);
  t.match(await late, { status: 200, body: 'late 1\n' });
  await closed;
});

t.test('many connections at once, while the file is written again and again', async (t) => {
  const { port, write } = await serving(t, PLAIN);
  let isOver = false;
  const asked = (async () => {
    const statuses = new Set<number>();
    for (let round = 0; round < 10; round++) {
      for (const { status } of await Promise.all(Array.from({ length: 10 }, () => ask(port)))) statuses.add(status);
    }
    isOver = true;
    return [...statuses];
  })();
  await waitFor('all to be asked', () => {
    if (!isOver) write(`${PLAIN}, min_version: ${Math.random() < 0.5 ? 'TLS12' : 'TLS13'}`);
    return isOver;
  });
  t.strictSame(await asked, [200]);
});
