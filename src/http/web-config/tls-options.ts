import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureVersion, type TlsOptions } from 'node:tls';
import { configError } from '../../config/report.js';
import { messageOf, type ConfigProblem } from '../../errors.js';
import type { ParsedWebConfig } from './parse.js';
import { CIPHERS, CURVES, type ClientAuth, type TlsVersion, type WrittenTls } from './schema.js';

type Part = 'cert' | 'key' | 'client_ca';

/** As they are on disk now, or in the web config file itself; null where none is named. */
export type Texts = Readonly<Record<Part, string | Unreadable | null>>;

interface Unreadable {
  why: string;
}

/** PEM texts that were found good. */
export interface Material {
  cert: string;
  key: string;
  /** null: who signs public certificates, as Node.js knows them. */
  clientCa: string | null;
}

export async function readTexts(tls: WrittenTls): Promise<Texts> {
  const read = async (part: Part): Promise<string | Unreadable | null> => {
    const file = tls[`${part}_file`];
    if (!file) return tls[part] || null;
    return readFile(file, 'utf8').catch((error: unknown) => ({ why: messageOf(error) }));
  };
  return { cert: await read('cert'), key: await read('key'), client_ca: await read('client_ca') };
}

/**
 * Blocks for milliseconds. Throws a ConfigError at the line that names the file, for what cannot be read, is no PEM, or
 * does not belong together.
 */
export function materialOf({ config: { tls }, problem }: ParsedWebConfig, texts: Texts): Material {
  if (!tls) throw new TypeError('this web config asks for no TLS');
  const problems: ConfigProblem[] = [];
  const keyOf = (part: Part): Part | `${Part}_file` => (tls[`${part}_file`] ? `${part}_file` : part);
  const blame = (part: Part, why: string): void => {
    const key = keyOf(part);
    const what = tls[`${part}_file`] ? `${key} (${tls[`${part}_file`]})` : key;
    problems.push(problem(['tls_server_config', key], `${what} ${why}`));
  };
  const textOf = (part: Part): string | null => {
    const text = texts[part];
    if (text === null || typeof text === 'string') return text;
    blame(part, `cannot be read: ${text.why}`);
    return null;
  };
  const [cert, key, clientCa] = [textOf('cert'), textOf('key'), textOf('client_ca')];
  const certificate = cert === null ? null : certificateIn(cert);
  if (cert !== null && !certificate) blame('cert', 'holds no certificate in PEM');
  if (key !== null && certificate) {
    const why = whyNotItsKey(key, certificate);
    if (why !== null) blame('key', why);
  }
  if (clientCa !== null && !certificateIn(clientCa)) blame('client_ca', 'holds no certificate in PEM');
  if (problems.length > 0) throw configError(problems);
  const material = { cert: cert!, key: key!, clientCa };
  try {
    createSecureContext(tlsOptions(tls, material));
  } catch (error) {
    throw configError([problem(['tls_server_config'], `TLS cannot be set up with this: ${messageOf(error)}`)]);
  }
  return material;
}

function certificateIn(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null;
  }
}

/** Never OpenSSL's own words: they are no help to whoever has mixed two files up. */
function whyNotItsKey(pem: string, certificate: X509Certificate): string | null {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem)) ? null : 'is not the key of the certificate';
  } catch {
    return 'holds no private key in PEM without a passphrase';
  }
}

const VERSIONS: Record<TlsVersion, SecureVersion> = { TLS10: 'TLSv1', TLS11: 'TLSv1.1', TLS12: 'TLSv1.2', TLS13: 'TLSv1.3' };

/** Of TLS 1.3, which Go does not let anybody choose among; without them in the list Node.js would switch 1.3 off. */
const ALWAYS = Object.values(CIPHERS).filter((name) => name.startsWith('TLS_'));

/** What Node.js makes of the web config. Whether a client's certificate does is for `whyRefused` where this lets it in. */
export function tlsOptions(tls: WrittenTls, { cert, key, clientCa }: Material): TlsOptions {
  const auth = authOf(tls);
  const isOld = tls.min_version === 'TLS10' || tls.min_version === 'TLS11';
  const chosen = tls.cipher_suites?.length ? [...new Set([...ALWAYS, ...tls.cipher_suites.map((name) => CIPHERS[name])])] : null;
  // OpenSSL 3 has what is older than 1.2 on no security level but 0.
  const ciphers = [...(chosen ?? (isOld ? ['DEFAULT'] : [])), ...(isOld ? ['@SECLEVEL=0'] : [])].join(':');
  return {
    cert,
    key,
    ...(clientCa === null ? {} : { ca: clientCa }),
    requestCert: auth !== 'NoClientCert',
    rejectUnauthorized: auth === 'RequireAndVerifyClientCert',
    minVersion: VERSIONS[tls.min_version],
    maxVersion: VERSIONS[tls.max_version],
    honorCipherOrder: tls.prefer_server_cipher_suites,
    ...(ciphers === '' ? {} : { ciphers }),
    ...(tls.curve_preferences?.length ? { ecdhCurve: tls.curve_preferences.map((name) => CURVES[name]).join(':') } : {}),
    ALPNProtocols: ['http/1.1'],
  };
}

export function authOf({ client_auth_type: auth = 'NoClientCert' }: WrittenTls): Exclude<ClientAuth, 'RequireClientCert'> {
  return auth === 'RequireClientCert' ? 'RequireAnyClientCert' : auth;
}
