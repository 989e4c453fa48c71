import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { isScalar, parseDocument, stringify, visit } from 'yaml';
import { alternativeNames } from '../../src/http/web-config/client-certificate.js';
import { parseWebConfig } from '../../src/http/web-config/parse.js';
import { CIPHERS, CLIENT_AUTH, CURVES, TLS_VERSIONS } from '../../src/http/web-config/schema.js';
import { bombs, outcomeOfReading } from './config.js';
import { anyText, damagedText, jsonWith } from './damage.js';
import { target } from './target.js';

/** Stands for every secret: no message may show it. */
const SECRET = 'hunter2hunter2';
const HASH = `$2y$10$${SECRET}${'x'.repeat(53 - SECRET.length)}`;

const SAMPLES = [`tls_server_config:
  cert_file: server.crt
  key: |
    -----BEGIN PRIVATE KEY-----
    ${SECRET}
    -----END PRIVATE KEY-----
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example]
  min_version: TLS12
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
http_server_config:
  headers: { Strict-Transport-Security: max-age=31536000 }
basic_auth_users:
  prometheus: ${HASH}
  "shop admin": "${HASH}"
rate_limit: { interval: 1s, burst: 20 }
`, `basic_auth_users: { a: ${SECRET} }\n`];

const KEYS = [
  'tls_server_config', 'cert', 'cert_file', 'key', 'key_file', 'client_auth_type', 'client_ca', 'client_ca_file', 'client_allowed_sans', 'min_version',
  'max_version', 'cipher_suites', 'curve_preferences', 'prefer_server_cipher_suites', 'http_server_config', 'http2', 'headers', 'basic_auth_users',
  'rate_limit', 'interval', 'burst', 'prometheus',
];
const VALUES = [SECRET, HASH, 'server.crt', '1s', ...CLIENT_AUTH, ...TLS_VERSIONS, ...Object.keys(CURVES), Object.keys(CIPHERS)[0]!, [SECRET], { a: SECRET }];

const outcomeOf = (text: string): unknown => outcomeOfReading(text, () => parseWebConfig(text, '/etc/web.yml').config);

/** Where damage has made a key of it: keys are told. */
function isInKey(text: string): boolean {
  let isKey = false;
  visit(parseDocument(text), { Pair: (_, { key }) => void (isKey ||= isScalar(key) && String(key.source ?? key.value).includes(SECRET)) });
  return isKey || /^\s*(?:- )?["']?[^\s:]*hunter2hunter2[^:]*:(?=\s|$)/m.test(text);
}

/** Whatever is wrong with it, and whatever there is beside the secret: neither its message nor its line shows it. */
const keepsSecret = (text: string): void => {
  if (isInKey(text)) return;
  try {
    parseWebConfig(text, '/etc/web.yml');
  } catch (error) {
    assert.ok(!String((error as Error).message).includes(SECRET), `it tells: ${error}`);
    assert.ok(!JSON.stringify(error).includes(SECRET), `it carries: ${JSON.stringify(error)}`);
  }
};

const SANS = ['DNS:a.example, IP Address:::1, URI:"https://a/?b=\\u0022", email:x@a.example'];

export const webConfig = [
  target('web config: damaged files', damagedText(SAMPLES), (text) => void outcomeOf(text)),
  target('web config: bombs', bombs, (text) => void outcomeOf(text.replaceAll('apps', 'basic_auth_users'))),
  target('web config: YAML and JSON say the same', jsonWith(KEYS, VALUES), (value) => {
    assert.deepEqual(outcomeOf(stringify(value)), outcomeOf(JSON.stringify(value)));
  }),
  target('web config: no secret is shown', damagedText(SAMPLES), keepsSecret),
  target('web config: names in a certificate', fc.oneof(anyText, damagedText(SANS)), (text) => {
    for (const name of alternativeNames(text)) assert.equal(typeof name, 'string');
  }),
];
