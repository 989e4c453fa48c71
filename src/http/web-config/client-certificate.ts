/** Pure: whether a client that has finished its handshake may stay, as Go's crypto/tls and the toolkit decide it. */
import type { X509Certificate } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { WrittenTls } from './schema.js';
import { authOf } from './tls-options.js';

/** What it has shown; `isVerified`: by the authorities of the web config. */
export interface Shown {
  certificate: Pick<X509Certificate, 'subjectAltName'> | null;
  isVerified: boolean;
}

/** Null where it may stay. What RequireAndVerifyClientCert asks for, the handshake itself has seen to. */
export function whyRefused(tls: WrittenTls, { certificate, isVerified }: Shown): string | null {
  const auth = authOf(tls);
  if (auth === 'RequireAnyClientCert' && !certificate) return 'it shows no certificate';
  if (auth === 'VerifyClientCertIfGiven' && certificate && !isVerified) return 'its certificate is not signed by client_ca_file';
  if (!tls.client_allowed_sans) return null;
  const names = certificate ? alternativeNames(certificate.subjectAltName ?? '') : [];
  const isAllowed = names.some((name) => tls.client_allowed_sans!.includes(name));
  return isAllowed ? null : 'none of the names in its certificate is in client_allowed_sans';
}

/**
 * Of DNS, e-mail, IP and URI, as Go prints them, of the text that Node.js has for them: `DNS:a.example, IP Address:::1`,
 * a value that might be taken for several being a JSON string (https://nodejs.org/api/crypto.html#x509subjectaltname).
 */
export function alternativeNames(text: string): string[] {
  const names: string[] = [];
  const entry = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;
  while (entry.lastIndex < text.length) {
    const [, kind, value = ''] = entry.exec(text) ?? [];
    const name = kind === undefined ? null : nameOf(kind, value);
    if (name === null) return []; // what cannot be understood names nobody
    if (KINDS.includes(kind!)) names.push(name);
  }
  return names;
}

const KINDS = ['DNS', 'email', 'URI', 'IP Address'];

/** Null where it is none. */
function nameOf(kind: string, value: string): string | null {
  try {
    const plain = value.startsWith('"') ? String(JSON.parse(value)) : value;
    return kind === 'IP Address' && isIPv6(plain) ? new URL(`http://[${plain}]`).hostname.slice(1, -1) : plain;
  } catch {
    return null;
  }
}
