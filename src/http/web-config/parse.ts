import { dirname, resolve } from 'node:path';
import { problemOf, withoutConsequences } from '../../config/defects.js';
import { isGroup, type Group } from '../../config/merge.js';
import { configError } from '../../config/report.js';
import { Source, type Path } from '../../config/source.js';
import { validate } from '../../config/validate.js';
import type { ConfigProblem } from '../../errors.js';
import { concealed, plainWords, withoutQuotes } from './conceal.js';
import { TLS_VERSIONS, WebConfigSchema, type WrittenTls, type WrittenWebConfig } from './schema.js';

/** The web config as the program sees it: every path absolute. */
export interface WebConfig {
  /** null: plain HTTP. */
  tls: WrittenTls | null;
  headers: ReadonlyMap<string, string>;
  /** bcrypt hashes; with none, reading is open. */
  users: ReadonlyMap<string, string>;
  rateLimit: { intervalMs: number; burst: number } | null;
}

export interface ParsedWebConfig {
  config: WebConfig;
  /** A defect that shows only later, as a file that cannot be read does. */
  problem(path: Path, message: string): ConfigProblem;
}

const SECTIONS = ['tls_server_config', 'http_server_config', 'basic_auth_users', 'rate_limit'];

/**
 * Modular crypt format of bcrypt, as Go's x/crypto/bcrypt takes it: version, cost (4 to 31), 22 characters of salt and 31
 * of hash.
 */
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;

/**
 * Pure: the web config that `text` (YAML 1.2) stands for. Throws a ConfigError with every problem at once; none of them
 * shows a secret.
 */
export function parseWebConfig(text: string, file: string): ParsedWebConfig {
  const source = new Source(file, text);
  const syntax = source.syntaxProblems(plainWords);
  if (syntax.length > 0) {
    throw configError(syntax.map((problem) => concealed({ ...problem, message: withoutQuotes(problem.message) })));
  }
  const root = withoutEmptySections(source.value() ?? {});
  if (!isGroup(root)) throw configError([concealed(source.problem([], 'this is no web config file: it must be a group of keys'))]);
  const errors = withoutConsequences(validate(root, WebConfigSchema));
  const known = errors.filter(({ instancePath }) => !isSecret(instancePath.split('/').slice(1)));
  const problems = known.flatMap((error) => problemOf(error, { source, originOf: (path) => path }));
  problems.push(...wrongSecrets(root, source));
  if (problems.length > 0) throw configError(problems.map(concealed));

  const written = root as WrittenWebConfig;
  const defects = written.tls_server_config ? tlsProblems(written.tls_server_config, source) : [];
  if (defects.length > 0) throw configError(defects.map(concealed));
  return { config: configOf(written, file), problem: (path, message) => concealed(source.problem(path, message)) };
}

/** A key with nothing under it is as if it were not there. */
function withoutEmptySections(root: unknown): unknown {
  if (!isGroup(root)) return root;
  return Object.fromEntries(Object.entries(root).filter(([key, value]) => value !== null || !SECTIONS.includes(key)));
}

const isSecret = ([section, key]: Path): boolean =>
  section === 'basic_auth_users' || (section === 'tls_server_config' && key === 'key');

/** By hand: what is wrong with a secret is told without it. */
function wrongSecrets(root: Group, source: Source): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const tell = (path: Path, message: string) => problems.push(source.problem(path, message));
  const tls = root['tls_server_config'];
  const key = isGroup(tls) ? tls['key'] : undefined;
  if (key !== undefined && typeof key !== 'string') tell(['tls_server_config', 'key'], 'tls_server_config.key must be text in PEM');
  const users = root['basic_auth_users'];
  if (users !== undefined && !isGroup(users)) tell(['basic_auth_users'], 'basic_auth_users must be a group of keys: a user and a hash on each line');
  for (const [user, hash] of isGroup(users) ? Object.entries(users) : []) {
    if (typeof hash === 'string' && BCRYPT.test(hash)) continue;
    const message =
      `basic_auth_users.${user} must be a bcrypt hash such as $2y$10$… and never the password itself; ` +
      `make one with: htpasswd -nBC 10 ""`;
    tell(['basic_auth_users', user], message);
  }
  return problems;
}

function tlsProblems(tls: WrittenTls, source: Source): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const at = (key: keyof WrittenTls | null, message: string) => {
    const path = ['tls_server_config', ...(key === null ? [] : [key])];
    problems.push(source.problem(path, message, key === null ? 'key' : 'value'));
  };
  if (!isEnabled(tls)) return [];
  for (const what of ['cert', 'key'] as const) {
    if (!tls[what] && !tls[`${what}_file`]) at(null, `tls_server_config needs one of ${what}_file and ${what}`);
  }
  for (const what of ['cert', 'key', 'client_ca'] as const) {
    if (tls[what] && tls[`${what}_file`]) at(what, `${what} and ${what}_file are two ways to say one thing; give one of them`);
  }
  const { client_auth_type: auth, client_allowed_sans: sans, min_version: min, max_version: max } = tls;
  const authorities = tls.client_ca_file ? 'client_ca_file' : tls.client_ca ? 'client_ca' : null;
  if (authorities && (auth ?? 'NoClientCert') === 'NoClientCert') {
    at(authorities, `${authorities} has no effect while client_auth_type is NoClientCert; RequireAndVerifyClientCert demands certificates`);
  }
  const demanding = ['RequireAnyClientCert', 'RequireClientCert', 'RequireAndVerifyClientCert'];
  if (sans && !demanding.includes(auth ?? '')) {
    at('client_allowed_sans', 'client_allowed_sans needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert');
  }
  if (TLS_VERSIONS.indexOf(min) > TLS_VERSIONS.indexOf(max)) {
    at(source.has(['tls_server_config', 'min_version']) ? 'min_version' : 'max_version', `min_version (${min}) is above max_version (${max})`);
  }
  return problems;
}

/** As the toolkit's IsEnabled: what else stands there has no effect by itself. */
function isEnabled({ cert, key, client_ca, cert_file, key_file, client_ca_file, client_auth_type }: WrittenTls): boolean {
  return [cert, key, client_ca, cert_file, key_file, client_ca_file, client_auth_type].some(Boolean);
}

function configOf({ tls_server_config: tls, http_server_config: http, basic_auth_users, rate_limit }: WrittenWebConfig, file: string): WebConfig {
  const absolute = (path: string | undefined) => (path ? { path: resolve(dirname(file), path) } : null);
  const files = { cert_file: absolute(tls?.cert_file), key_file: absolute(tls?.key_file), client_ca_file: absolute(tls?.client_ca_file) };
  const paths = Object.fromEntries(Object.entries(files).flatMap(([key, found]) => (found ? [[key, found.path]] : [])));
  return {
    tls: tls && isEnabled(tls) ? { ...tls, ...paths } : null,
    headers: new Map(Object.entries(http.headers).filter((entry): entry is [string, string] => Boolean(entry[1]))),
    users: new Map(Object.entries(basic_auth_users)),
    rateLimit: rate_limit && rate_limit.interval > 0 ? { intervalMs: rate_limit.interval, burst: rate_limit.burst } : null,
  };
}
