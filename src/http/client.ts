import * as http from 'node:http';
import * as https from 'node:https';
import type { Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { connectToKnown } from './known-peer.js';

export interface Credentials {
  /** The header. */
  authorization: string;
  /** Uids: over plain HTTP, on this machine, only programs of these users are sent it (Linux). Absent: all are. */
  knownTo?: readonly number[];
}

/** How a warden is called that is protected by a web config. */
export interface Access {
  credentials?: Credentials;
  /** After a 401: what one more try goes with; null where there is nothing. */
  onUnauthorized?(): Promise<Credentials | null>;
  /** In PEM; Node.js's own authorities (NODE_EXTRA_CA_CERTS among them) where there is no `ca`. */
  tls?: { ca?: Buffer; cert?: Buffer; key?: Buffer };
}

export interface Call {
  method?: 'GET' | 'POST';
  headers?: Readonly<Record<string, string>>;
  body?: string;
  signal?: AbortSignal;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** Unpacked; must be read or destroyed. */
  body: Readable;
}

/**
 * A request, on a connection of its own; redirects are answers. Rejects where none comes, the signal aborts, or the
 * credentials are not to be sent.
 */
export async function call(url: URL, access: Access, request: Call = {}): Promise<Answer> {
  const answer = await callOnce(url, access, request);
  if (answer.status !== 401 || !access.onUnauthorized) return answer;
  answer.body.on('error', () => {}); // whoever reads it is told again
  const credentials = await access.onUnauthorized();
  if (!credentials) return answer;
  answer.body.destroy();
  return callOnce(url, { ...access, credentials }, request);
}

async function callOnce(url: URL, { credentials, tls }: Access, request: Call): Promise<Answer> {
  const { method = 'GET', headers, body, signal } = request;
  const isSecure = url.protocol === 'https:';
  const socket = credentials?.knownTo && !isSecure ? await connectToKnown(url, credentials.knownTo, signal) : null;
  return new Promise((resolve, reject) => {
    const sent = (isSecure ? https : http).request(url, {
      method,
      headers: {
        'accept-encoding': 'gzip',
        ...(credentials && { authorization: credentials.authorization }),
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        ...headers,
      },
      ...(socket ? { createConnection: () => socket } : { agent: false }),
      ...(signal ? { signal } : {}),
      ...(isSecure ? tls : {}),
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: unpacked(response) });
    });
    sent.end(body);
  });
}

/** Reads all of it. */
export async function textOf({ body }: Answer): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** Parsed; null for what is no JSON. */
export async function jsonOf(answer: Answer): Promise<unknown> {
  const text = await textOf(answer);
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A stream of events is to be had as it comes, block by block. */
function unpacked(response: http.IncomingMessage): Readable {
  if (response.headers['content-encoding'] !== 'gzip') return response;
  const zip = createGunzip({ flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH });
  response.on('error', (error) => zip.destroy(error));
  zip.on('close', () => response.destroy());
  return response.pipe(zip);
}
