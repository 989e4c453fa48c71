import { HeapwardenError, fetchFailure } from '../errors.js';
import { bearerOf, ownBearerOf } from '../http/bearer.js';
import { call, jsonOf, type Access, type Answer, type Call } from '../http/client.js';
import { asksWho } from '../http/who.js';
import { accessOf, tlsOf } from './access.js';
import { readConfig } from './config.js';
import type { ClientOptions } from './options.js';

/** Milliseconds that one answer may take. */
const READ_MS = 10_000;
/** To restart an app, its workers are looked at one after the other; the warden itself cuts off so long a silence. */
const CHANGE_MS = 60_000;

/** An answer of the running warden. */
export interface Reply {
  status: number;
  body: Readonly<Record<string, unknown>>;
}

/** Asks the running warden to do something. Throws HeapwardenError REQUEST_FAILED where it cannot be asked. */
export async function post(options: ClientOptions, path: string, body: object, limitMs = CHANGE_MS): Promise<Reply> {
  const tokenFile = options.tokenFile ?? (await readConfig(options.configFile)).auth.token_file;
  const credentials = await (options.tokenFile === null ? ownBearerOf(tokenFile) : bearerOf(tokenFile));
  const access = { ...(await tlsOf(options)), credentials }; // a user may only read
  const headers = { 'content-type': 'application/json' };
  const reply = await send(options, path, access, { method: 'POST', headers, body: JSON.stringify(body) }, limitMs);
  if (reply.status !== 401) return reply;
  throw failed(
    `the heapwarden at ${options.url} does not know the token in ${tokenFile}. Name its own with --token.file, ` +
      'or its config with --config.file',
  );
}

/** Throws HeapwardenError REQUEST_FAILED, also where the answer is not a good one. */
export async function get(options: ClientOptions, path: string, limitMs = READ_MS): Promise<Reply['body']> {
  const reply = await send(options, path, await accessOf(options), {}, limitMs);
  if (reply.status === 401) throw failed(asksWho(options.url));
  if (reply.status !== 200) throw refused(options, reply);
  return reply.body;
}

export function refused({ url }: ClientOptions, { status, body }: Reply): HeapwardenError {
  return failed(`heapwarden at ${url} said: ${typeof body['message'] === 'string' ? body['message'] : `HTTP ${status}`}`);
}

async function send({ url }: ClientOptions, path: string, access: Access, request: Call, limitMs: number): Promise<Reply> {
  const signal = AbortSignal.timeout(limitMs);
  let answer: Answer;
  let body: unknown;
  try {
    answer = await call(new URL(path, url.replace(/\/?$/, '/')), access, { ...request, signal });
    body = await jsonOf(answer);
  } catch (error) {
    if (error instanceof HeapwardenError) throw error;
    const why = signal.aborted ? tooLate(request, limitMs) : fetchFailure(error);
    throw failed(`no heapwarden answers at ${url} (${why}). Is it running? Name its address with --url`);
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
    return { status: answer.status, body: body as Reply['body'] };
  }
  throw failed(`what answers at ${url} (HTTP ${answer.status}) is not heapwarden. Name its address with --url`);
}

function tooLate({ method }: Call, limitMs: number): string {
  const late = `no answer within ${limitMs / 1000} s`;
  return method === 'POST' ? `${late}; what was asked of it may still be done` : late;
}

function failed(message: string): HeapwardenError {
  return new HeapwardenError('REQUEST_FAILED', message);
}
