/**
 * The web config file of the Prometheus exporter toolkit: types, defaults and meaning, as documented in
 * https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md
 */
import { Type, type Static } from 'typebox';
import { closed, optional, reading } from '../../config/schema.js';

const oneOf = <T extends string>(values: readonly T[], byDefault: NoInfer<T>, description: string) =>
  Type.Unsafe<T>({ type: 'string', enum: values, default: byDefault, description });

const listOf = <T extends string>(values: readonly T[], description: string) =>
  optional(Type.Array(Type.Unsafe<T>({ type: 'string', enum: values }), { description }));

const text = (description: string) => optional(Type.String({ description }));

/** Go's tls.ClientAuthType; RequireClientCert is an older name of RequireAnyClientCert. */
export const CLIENT_AUTH = [
  'NoClientCert', 'RequestClientCert', 'RequireAnyClientCert', 'VerifyClientCertIfGiven', 'RequireAndVerifyClientCert',
  'RequireClientCert',
] as const;
export type ClientAuth = (typeof CLIENT_AUTH)[number];

export const TLS_VERSIONS = ['TLS10', 'TLS11', 'TLS12', 'TLS13'] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** Go's names (crypto/tls.CipherSuites), and OpenSSL's for them. */
export const CIPHERS = {
  TLS_AES_128_GCM_SHA256: 'TLS_AES_128_GCM_SHA256',
  TLS_AES_256_GCM_SHA384: 'TLS_AES_256_GCM_SHA384',
  TLS_CHACHA20_POLY1305_SHA256: 'TLS_CHACHA20_POLY1305_SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
} as const;
export type Cipher = keyof typeof CIPHERS;

/** The toolkit's names, and OpenSSL's for them. */
export const CURVES = { X25519: 'X25519', CurveP256: 'P-256', CurveP384: 'P-384', CurveP521: 'P-521' } as const;
export type Curve = keyof typeof CURVES;

const tls = Type.Object(
  {
    cert: text('PEM, instead of cert_file'),
    key: text('PEM, instead of key_file'),
    client_ca: text('PEM, instead of client_ca_file'),
    cert_file: text('PEM; relative to this file, as the two others are'),
    key_file: text('PEM'),
    client_ca_file: text('PEM; who signs the certificates of clients'),
    // No default: what is written there says that TLS is wanted.
    client_auth_type: optional(
      Type.Unsafe<ClientAuth>({ type: 'string', enum: CLIENT_AUTH, description: 'whether clients show a certificate; default NoClientCert' }),
    ),
    client_allowed_sans: optional(
      Type.Array(Type.String(), { description: "one of a client certificate's DNS names, IPs, e-mails or URIs is in this list" }),
    ),
    min_version: oneOf(TLS_VERSIONS, 'TLS12', 'lowest TLS version'),
    max_version: oneOf(TLS_VERSIONS, 'TLS13', 'highest TLS version'),
    cipher_suites: listOf(Object.keys(CIPHERS) as Cipher[], "of TLS up to 1.2; without it, Node's"),
    prefer_server_cipher_suites: Type.Boolean({ default: true, description: "the order of cipher_suites counts, not the client's" }),
    curve_preferences: listOf(Object.keys(CURVES) as Curve[], 'of an ECDHE handshake, in order of preference'),
  },
  { ...closed, description: 'with a certificate and a key: https' },
);

const headers = Type.Object(
  {
    'Content-Security-Policy': text('not of the status page, which has a stricter one'),
    'X-Frame-Options': optional(Type.Unsafe<string>({ type: 'string', enum: ['deny', 'sameorigin', ''] })),
    'X-Content-Type-Options': optional(Type.Unsafe<string>({ type: 'string', enum: ['nosniff', ''] })),
    'X-XSS-Protection': text('as given'),
    'Strict-Transport-Security': text('as given'),
  },
  { ...closed, default: {}, description: 'added to every answer; a blank one is not set' },
);

const http = Type.Object(
  {
    http2: Type.Boolean({ default: true, description: 'read and without effect: HTTP/1.1 is what clients negotiate' }),
    headers,
  },
  { ...closed, default: {} },
);

const rateLimit = Type.Object(
  {
    interval: reading<number>('duration', 'between two requests; 0: no limit', { default: '0s' }),
    burst: Type.Integer({ minimum: 0, default: 0, description: 'requests that may come at once' }),
  },
  closed,
);

export const WebConfigSchema = Type.Object(
  {
    tls_server_config: optional(tls),
    http_server_config: http,
    basic_auth_users: Type.Record(Type.String(), Type.String(), { default: {}, description: 'bcrypt hashes by user' }),
    rate_limit: optional(rateLimit),
  },
  { ...closed, description: 'the web config file' },
);

export type WrittenWebConfig = Static<typeof WebConfigSchema>;
export type WrittenTls = Static<typeof tls>;
