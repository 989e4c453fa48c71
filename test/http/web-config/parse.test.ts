/** The cases of the exporter toolkit's own tests (web/tls_config_test.go, web/testdata), each with the place it is told at. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ConfigError, messageOf } from '../../../src/errors.js';
import { alternativeNames } from '../../../src/http/web-config/client-certificate.js';
import { parseWebConfig } from '../../../src/http/web-config/parse.js';
import { CIPHERS } from '../../../src/http/web-config/schema.js';
import { WebConfigFile } from '../../../src/http/web-config/web-config-file.js';
import { authority, leaf } from './certificates.js';

const HASH = '$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG';
const parse = (text: string) => parseWebConfig(text, '/etc/heapwarden/web.yml').config;

/** `line:column: message` of each problem. */
function problemsOf(text: string): string[] {
  try {
    parse(text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ line, column, message }) => `${line}:${column}: ${message}`);
  }
}

const TLS = 'tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n';

t.test('what is good', async (t) => {
  const nothing = { tls: null, rateLimit: null };
  for (const text of ['', '---\n', 'tls_server_config:\nhttp_server_config:\nbasic_auth_users:\nrate_limit:\n', 'tls_server_config: {}\n']) {
    t.match(parse(text), nothing, JSON.stringify(text));
    t.equal(parse(text).users.size, 0);
  }
  const tls = parse(`${TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: /ca.pem\n  client_allowed_sans: [a.example]\n`).tls;
  t.match(tls, {
    cert_file: '/etc/heapwarden/server.crt',
    key_file: '/etc/heapwarden/server.key',
    client_ca_file: '/ca.pem',
    min_version: 'TLS12',
    max_version: 'TLS13',
    prefer_server_cipher_suites: true,
  }, 'paths are relative to the file');
  t.match(parse('tls_server_config: { cert: CERT, key: KEY }').tls, { cert: 'CERT', key: 'KEY' }, 'inline');
  const all = `${TLS}  cipher_suites: [${Object.keys(CIPHERS).join(', ')}]\n  curve_preferences: [X25519, CurveP256, CurveP384, CurveP521]\n`;
  t.equal(parse(all).tls?.cipher_suites?.length, Object.keys(CIPHERS).length);
  for (const type of ['NoClientCert', 'RequestClientCert', 'RequireAnyClientCert', 'RequireClientCert', 'VerifyClientCertIfGiven', 'RequireAndVerifyClientCert']) {
    t.equal(parse(`${TLS}  client_auth_type: ${type}\n`).tls?.client_auth_type, type);
  }
  for (const version of ['TLS10', 'TLS11', 'TLS12', 'TLS13']) {
    t.equal(parse(`${TLS}  min_version: ${version}\n`).tls?.min_version, version);
  }
  const headers = parse(
    'http_server_config:\n  http2: false\n  headers:\n    Strict-Transport-Security: max-age=1\n    X-Frame-Options: deny\n    X-XSS-Protection: ""\n',
  ).headers;
  t.strictSame([...headers], [['Strict-Transport-Security', 'max-age=1'], ['X-Frame-Options', 'deny']], 'a blank one is not set');
  t.strictSame([...parse(`basic_auth_users:\n  alice: ${HASH}\n  "bob b": '${HASH}'\n`).users.keys()], ['alice', 'bob b']);
  t.strictSame(parse('rate_limit: { interval: 1s, burst: 5 }').rateLimit, { intervalMs: 1000, burst: 5 });
  t.equal(parse('rate_limit: { interval: 0s, burst: 5 }').rateLimit, null);
});

const BAD: Record<string, [text: string, ...problems: string[]]> = {
  'no structure': ['hwadkwbdkjabdj\n', '1:1: this is no web config file: it must be a group of keys'],
  'no YAML': ['tls_server_config: [\n', '2:1: invalid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]'],
  'no YAML, by an error that may quote it': ['basic_auth_users:\n  alice: | hunter2\n', '2:12: invalid YAML: UNEXPECTED_TOKEN'],
  'an unknown section': ['tls_config:\n  cert_file: a\n', '1:1: unknown key "tls_config"; known here: tls_server_config, http_server_config, basic_auth_users, rate_limit'],
  'a misspelt key': [`${TLS}  client_auth_typ: NoClientCert\n`, '4:3: unknown key "client_auth_typ"; did you mean "client_auth_type"?'],
  'no certificate': ['tls_server_config:\n  cert_file: ""\n  key_file: server.key\n', '1:1: tls_server_config needs one of cert_file and cert'],
  'no key': ['tls_server_config:\n  cert_file: server.crt\n', '1:1: tls_server_config needs one of key_file and key'],
  'neither': [
    'tls_server_config:\n  cert: ""\n  key: ""\n  client_auth_type: RequestClientCert\n',
    '1:1: tls_server_config needs one of cert_file and cert',
    '1:1: tls_server_config needs one of key_file and key',
  ],
  'both ways at once': [`${TLS}  cert: PEM\n`, '4:9: cert and cert_file are two ways to say one thing; give one of them'],
  'authorities for nothing': [
    `${TLS}  client_ca_file: ca.pem\n`,
    '4:19: client_ca_file has no effect while client_auth_type is NoClientCert; RequireAndVerifyClientCert demands certificates',
  ],
  'a policy that is none': [
    `${TLS}  client_auth_type: Certainly\n`,
    '4:21: tls_server_config.client_auth_type must be NoClientCert, RequestClientCert, RequireAnyClientCert, ' +
      'VerifyClientCertIfGiven, RequireAndVerifyClientCert or RequireClientCert, not "Certainly"',
  ],
  'names without a policy': [
    `${TLS}  client_allowed_sans:\n    - a.example\n`,
    '4:3: client_allowed_sans needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert',
  ],
  'names of a certificate that may be missing': [
    `${TLS}  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [a.example]\n`,
    '5:24: client_allowed_sans needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert',
  ],
  'an invented cipher': [`${TLS}  cipher_suites:\n    - TLS_NULL\n`, /^5:7: tls_server_config\.cipher_suites\[0\] must be TLS_AES_128_GCM_SHA256, .* not "TLS_NULL"$/ as unknown as string],
  'an invented curve': [`${TLS}  curve_preferences: [CurveP257]\n`, '4:23: tls_server_config.curve_preferences[0] must be X25519, CurveP256, CurveP384 or CurveP521, not "CurveP257"'],
  'an invented version': [`${TLS}  min_version: TLS14\n`, '4:16: tls_server_config.min_version must be TLS10, TLS11, TLS12 or TLS13, not "TLS14"'],
  'versions the wrong way round': [`${TLS}  min_version: TLS13\n  max_version: TLS12\n`, '4:16: min_version (TLS13) is above max_version (TLS12)'],
  'a header that may not be set': [
    'http_server_config:\n  headers:\n    X-Secret: "1"\n',
    '3:5: unknown key "X-Secret"; known here: Content-Security-Policy, X-Frame-Options, X-Content-Type-Options, X-XSS-Protection, Strict-Transport-Security',
  ],
  'a header with a wrong value': [
    'http_server_config:\n  headers:\n    X-Content-Type-Options: sniff\n',
    '3:29: http_server_config.headers.X-Content-Type-Options must be nosniff or , not "sniff"',
  ],
  'a user without a hash': ['basic_auth_users:\n  alice:\n', /^2:3: basic_auth_users\.alice must be a bcrypt hash/ as unknown as string],
  'a rate that is none': ['rate_limit: { interval: soon }', '1:25: "soon" is not a duration; write it like 30s, 5m or 1h30m'],
};

t.test('what is bad is told with its line and column', async (t) => {
  for (const [name, [text, ...expected]] of Object.entries(BAD)) t.match(problemsOf(text), expected, name);
  for (const [name, [text, ...expected]] of Object.entries(BAD)) t.equal(problemsOf(text).length, expected.length, name);
});

t.test('no secret is told', async (t) => {
  const SECRET = 'hunter2';
  const texts = [
    `basic_auth_users:\n  alice: ${SECRET}\n`,
    `basic_auth_users:\n  alice: 'x${SECRET}\n`,
    `basic_auth_users:\n  alice: "${SECRET}" junk ${SECRET}\n`,
    `basic_auth_users: ${SECRET}\n`,
    `basic_auth_users: {alice: ${SECRET}, bob: ${HASH}}\n`,
    `basic_auth_users:\n  - ${SECRET}\n`,
    `basic_auth_users:\n  alice: *${SECRET}\n`,
    `tls_server_config: {key: ${SECRET}, odd: 1}\n`,
    `tls_server_config:\n  key: [${SECRET}]\n  cert: x\n`,
    `tls_server_config:\n  key: |\n    ${SECRET}\n  ${SECRET}\n`,
    `${SECRET}\n`,
    `- ${SECRET}\n`,
    `"${SECRET}\n`,
    // Found by `npm run fuzz`: yaml quotes the text without quotation marks.
    `| basic_auth_users: { a: ${SECRET} }\n`,
    `>basic_auth_users: { a: ${SECRET} }\n`,
    `basic_auth_users:\n  alice: !${SECRET} }\n`,
    `%${SECRET}\n---\nbasic_auth_users: {}\n`,
  ];
  for (const text of texts) {
    try {
      parse(text);
      t.fail(`this is bad: ${text}`);
    } catch (error) {
      t.ok(error instanceof ConfigError);
      t.notMatch(messageOf(error), /hunter2/, text);
    }
  }
  t.match(problemsOf(`basic_auth_users:\n  alice: ${SECRET}\n`), [
    '2:10: basic_auth_users.alice must be a bcrypt hash such as $2y$10$… and never the password itself; make one with: htpasswd -nBC 10 ""',
  ]);
  for (const hash of ['', '$2y$10$short', HASH.replace('$10$', '$03$'), HASH.replace('$10$', '$32$'), HASH.replace('$2y', '$1'), 'dave123']) {
    t.equal(problemsOf(`basic_auth_users: { alice: '${hash}' }`).length, 1, hash);
  }
});

t.test('certificates that cannot be used', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hw-web-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const ca = authority(folder);
  leaf(folder, 'server', ca, 'IP:127.0.0.1');
  leaf(folder, 'other', ca, 'IP:127.0.0.1');
  writeFileSync(join(folder, 'none.pem'), 'no certificate\n');
  const file = join(folder, 'web.yml');
  const told = async (tls: string): Promise<string> => {
    writeFileSync(file, `tls_server_config: ${tls}\n`);
    return WebConfigFile.open(file).then(({ usesTls }) => `https: ${usesTls}`, messageOf);
  };
  t.equal(await told('{ cert_file: server.pem, key_file: server.key }'), 'https: true');
  const at = (column: number, message: string) => `${file}:1:${column}: ${message}\n  tls_server_config: …\n  ${' '.repeat(column - 1).slice(0, 20)}`;
  const cases: [tls: string, start: string][] = [
    ['{ cert_file: gone.pem, key_file: server.key }', at(33, `cert_file (${folder}/gone.pem) cannot be read: ENOENT`).split('\n')[0]!],
    ['{ cert_file: server.pem, key_file: gone.key }', at(55, `key_file (${folder}/gone.key) cannot be read: ENOENT`).split('\n')[0]!],
    ['{ cert_file: none.pem, key_file: server.key }', at(33, `cert_file (${folder}/none.pem) holds no certificate in PEM`).split('\n')[0]!],
    ['{ cert_file: server.pem, key_file: none.pem }', at(55, `key_file (${folder}/none.pem) holds no private key in PEM without a passphrase`).split('\n')[0]!],
    ['{ cert_file: server.pem, key_file: other.key }', at(55, `key_file (${folder}/other.key) is not the key of the certificate`).split('\n')[0]!],
    ['{ cert_file: server.pem, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: none.pem }', `${file}:1:129: client_ca_file (${folder}/none.pem) holds no certificate in PEM`],
    ['{ cert_file: server.pem, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: gone.pem }', `${file}:1:129: client_ca_file (${folder}/gone.pem) cannot be read: ENOENT`],
  ];
  for (const [tls, start] of cases) t.ok((await told(tls)).startsWith(start), `${await told(tls)}\n${start}`);
  const both = await told('{ cert_file: gone.pem, key_file: gone.key }');
  t.match(both, /gone\.pem[^]*gone\.key[^]*2 problems/, 'all at once');
  t.match(await WebConfigFile.open(join(folder, 'gone.yml')).catch(messageOf), /there is no config file at .*gone\.yml; .*--web\.config\.file/);
});

t.test('the names in a certificate, as Go prints them', async (t) => {
  const text = 'DNS:a.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, email:a@b.example, URI:spiffe://x/y, DNS:"a, DNS:b", othername:<unsupported>';
  t.strictSame(alternativeNames(text), ['a.example', '127.0.0.1', '::1', 'a@b.example', 'spiffe://x/y', 'a, DNS:b']);
  t.strictSame(alternativeNames(''), []);
  for (const odd of ['DNS:a"b', String.raw`DNS:"\ u0022"`, 'IP Address:fe80::1%eth0']) {
    t.strictSame(alternativeNames(`DNS:a, ${odd}`), [], `what cannot be understood names nobody: ${odd}`);
  }
});
