import * as http from 'node:http';
import * as https from 'node:https';

export interface RequestOptions {
  method: 'GET' | 'POST';
  headers: Readonly<Record<string, string>>;
  body?: string;
  timeoutMs: number;
  /** Certificates of https; without it, Node's own. */
  agent?: https.Agent | undefined;
}

export interface HttpAnswer {
  status: number;
  /** Of the Retry-After header, where it is a number of seconds. */
  retryAfterMs: number | null;
  body: string;
}

/** The request may have arrived, or certainly has not: nobody listens there, or the name is unknown. */
export class NoAnswer extends Error {
  constructor(
    message: string,
    readonly mayHaveArrived: boolean,
  ) {
    super(message);
  }
}

const NEVER_SENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'];
/** Some ten thousand answers or workers; more than that is no warden's. */
const MOST_BYTES = 16 * 2 ** 20;

/** One request on a connection of its own, within `timeoutMs` in all. Redirects are answers. Throws NoAnswer. */
export function request(url: string, { method, headers, body, timeoutMs, agent }: RequestOptions): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const { request: open } = url.startsWith('https:') ? https : http;
    const sent = open(url, { method, headers: { ...headers, connection: 'close' }, ...(agent && { agent }) });
    const timer = setTimeout(() => fail(`no answer in ${timeoutMs / 1000} s`), timeoutMs);
    const fail = (message: string, code = ''): void => {
      clearTimeout(timer);
      reject(new NoAnswer(message, !NEVER_SENT.includes(code)));
      sent.destroy();
    };
    sent.on('error', (error: NodeJS.ErrnoException) => fail(error.message || String(error.code), error.code));
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('error', (error) => fail(error.message));
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > MOST_BYTES) fail('its answer has no end');
      });
      response.on('end', () => {
        clearTimeout(timer);
        const seconds = /^\d{1,6}$/.exec(response.headers['retry-after'] ?? '')?.[0];
        const retryAfterMs = seconds === undefined ? null : Number(seconds) * 1000;
        resolve({ status: response.statusCode ?? 0, retryAfterMs, body: Buffer.concat(chunks).toString('utf8') });
      });
    });
    sent.end(body);
  });
}
