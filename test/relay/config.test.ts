import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Host } from '../../src/config/paths.js';
import { ConfigError } from '../../src/errors.js';
import { parseRelayConfig } from '../../src/relay/config.js';

const HOST: Host = { platform: 'linux', uid: 1000, env: {}, home: '/home/ada', tmpdir: '/tmp' };
const parse = (text: string) => parseRelayConfig(text, '/etc/heapwarden/relay.yml', HOST);
const reportOf = (text: string): string => {
  try {
    parse(text);
    return 'no problem';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
};

const LEAST = 'targets: { file_sd: { files: [wardens/*.yml] } }\nwardens: { token_file: "tokens/{instance}" }\n';

t.test('defaults, and paths that are relative to the file', async (t) => {
  t.strictSame(parse(LEAST), {
    listen: '127.0.0.1:9974',
    state_dir: '/home/ada/.local/state/heapwarden/relay',
    auth: { token_file: '/home/ada/.local/state/heapwarden/relay/token' },
    targets: { file_sd: { files: ['/etc/heapwarden/wardens/*.yml'], refresh_interval: 30_000 } },
    wardens: { token_file: '/etc/heapwarden/tokens/{instance}', scheme: 'http', tls: {}, timeout: 5000 },
    retry: { first: 1000, most: 15_000, max_age: 3_600_000 },
    concurrency: 64,
    queue_limit: 64e6,
  });
  const more = parse(`${LEAST}brake: { max_restarts: 2 }\nstate_dir: ./state\n`);
  t.strictSame(more.brake, { max_restarts: 2, min_up: 0.5, refresh_interval: 5000 });
  t.equal(more.auth.token_file, '/etc/heapwarden/state/token');
});

t.test('the shipped relay.yml', async (t) => {
  const file = fileURLToPath(new URL('../../deploy/relay.yml', import.meta.url));
  const config = parseRelayConfig(readFileSync(file, 'utf8'), file, HOST);
  t.match(config, { listen: '127.0.0.1:9974', brake: { max_restarts: Number } });
});

t.test('what is wrong, with its line', async (t) => {
  const cases: [string, RegExp][] = [
    ['', /needs "targets"[^]*needs "wardens"[^]*2 problems/],
    [`${LEAST}listn: 127.0.0.1:1`, /relay\.yml:3:1: unknown key "listn"; did you mean "listen"\?/],
    [LEAST.replace('wardens/*.yml', '"*/x.yml"'), /must be a path that ends in \.json, \.yml or \.yaml/],
    [LEAST.replace('wardens/*.yml', 'wardens.txt'), /must be a path that ends in/],
    ['targets: {}\nwardens: { token_file: x }', /needs exactly one of file_sd and http_sd/],
    [`${LEAST}brake: {}`, /brake needs "max_restarts"/],
    [`${LEAST}brake: { max_restarts: 0 }`, /must be at least 1/],
    ['targets: [', /invalid YAML/],
  ];
  for (const [text, message] of cases) t.match(reportOf(text), message, text);
  const half = 'targets: { file_sd: { files: [a.yml] } }\nwardens: { token_file: x, tls: { key_file: k } }';
  t.match(reportOf(half), /relay\.yml:2:\d+: cert_file and key_file belong together/);
});
