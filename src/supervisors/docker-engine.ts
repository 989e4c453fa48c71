/**
 * What Docker's daemon says on its socket; Podman's says the same (podman-system-service(1)).
 *
 * By node:http alone. The client that is kept, dockerode, brings ssh2 with native code and an install script, gRPC and
 * protobufjs (so does Docker's own @docker/node-sdk bring ssh2), for what are seven small requests here; npm 11 runs no
 * install scripts unasked. Paths carry no version, so that each daemon answers in its own: all that is read has been
 * there since API 1.35. Reference: https://docs.docker.com/reference/api/engine/
 */
import { stat } from 'node:fs/promises';
import { request } from 'node:http';
import { underAny } from '../abort.js';
import { HeapwardenError } from '../errors.js';
import { formatElapsed } from '../units.js';

const DEFAULT_SOCKET = '/var/run/docker.sock';
/** A list of ten thousand containers has about 15 MB. */
const MAX_ANSWER_BYTES = 64e6;

/**
 * Path of the daemon's socket: that of `DOCKER_HOST=unix://…`, else Docker's default. Null where DOCKER_HOST leads to
 * another machine, whose processes cannot be seen from here.
 */
export function dockerSocket(env: NodeJS.ProcessEnv): string | null {
  const host = env['DOCKER_HOST'];
  if (!host) return DEFAULT_SOCKET;
  return /^unix:\/\/(\/.+)$/.exec(host)?.[1] ?? null;
}

export interface DockerRequest {
  query?: Record<string, string>;
  /** Milliseconds to the end of the answer; default: the engine's own. */
  timeoutMs?: number;
  /** The request rejects with its reason where it aborts. */
  signal?: AbortSignal;
}

export interface DockerEngineOptions {
  /** As dockerSocket has it. */
  socketPath: string | null;
  /** Milliseconds to the end of an answer; default 5000. */
  timeoutMs?: number;
}

interface Answer {
  status: number;
  body: Buffer;
}

/**
 * Requests to one daemon, a connection for each, so that there is no state to repair when the daemon goes and comes
 * back. They reject with HeapwardenError SUPERVISOR_UNREACHABLE, or SUPERVISOR_REFUSED with the daemon's own words.
 */
export class DockerEngine {
  readonly timeoutMs: number;
  readonly #socketPath: string | null;
  readonly #closing = new AbortController();

  constructor({ socketPath, timeoutMs = 5000 }: DockerEngineOptions) {
    this.#socketPath = socketPath;
    this.timeoutMs = timeoutMs;
  }

  /** The JSON of an answer; null where the daemon has no such thing. */
  async get(path: string, request: DockerRequest = {}): Promise<unknown> {
    const bytes = await this.getBytes(path, request);
    return bytes && parseJson(bytes);
  }

  /** An answer as it is; null where the daemon has no such thing. */
  async getBytes(path: string, request: DockerRequest = {}): Promise<Buffer | null> {
    const answer = await this.#send('GET', path, request);
    return answer.status === 404 ? null : bodyOf(answer, `to answer GET ${path}`);
  }

  /** `what` names the order for the error, as "to restart shop". A 404 is a refusal, too. */
  async post(path: string, what: string, request: DockerRequest = {}): Promise<void> {
    bodyOf(await this.#send('POST', path, request), what);
  }

  /** Breaks off all requests. */
  close(): void {
    this.#closing.abort();
  }

  async #send(method: string, path: string, request: DockerRequest): Promise<Answer> {
    const { query = {}, timeoutMs = this.timeoutMs, signal } = request;
    signal?.throwIfAborted();
    const socketPath = this.#socketPath;
    if (socketPath === null) {
      throw unreachable(
        'DOCKER_HOST names no Unix socket. heapwarden watches containers of its own machine: set ' +
          'DOCKER_HOST=unix:///path/to/docker.sock for it, or unset it, and run a heapwarden on the other machine for ' +
          'those',
      );
    }
    const parameters = new URLSearchParams(query).toString();
    const overdue = AbortSignal.timeout(timeoutMs);
    try {
      const sources = [overdue, this.#closing.signal, ...(signal ? [signal] : [])];
      const target = { method, socketPath, path: parameters ? `${path}?${parameters}` : path };
      return await underAny(sources, (any) => exchange({ ...target, signal: any }));
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof HeapwardenError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      throw unreachable(overdue.aborted ? late(path, timeoutMs) : await whyNot(code, socketPath), error);
    }
  }
}

interface Exchange {
  method: string;
  socketPath: string;
  path: string;
  signal: AbortSignal;
}

function exchange(options: Exchange): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // Docker refuses a Host that is a path.
    const sent = request({ ...options, agent: false, headers: { host: 'docker' } }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) sent.destroy(unreachable(`Docker's answer to ${options.path} does not end`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    sent.on('error', reject).end();
  });
}

function bodyOf({ status, body }: Answer, what: string): Buffer {
  // 304: it is as it was asked to be.
  if (status < 300 || status === 304) return body;
  throw new HeapwardenError('SUPERVISOR_REFUSED', `Docker refused ${what}: ${messageIn(body)} (${status})`);
}

function messageIn(body: Buffer): string {
  try {
    const { message } = parseJson(body) as { message?: unknown };
    if (typeof message === 'string') return message.trim();
  } catch {
    // Not JSON: then its words as they are.
  }
  return body.toString('utf8', 0, 300).trim() || 'it did not say why';
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw unreachable('whatever answers on its socket does not answer as Docker does', error);
  }
}

const late = (path: string, timeoutMs: number): string =>
  `Docker did not answer ${path} within ${formatElapsed(timeoutMs)}; its own log says more (journalctl -u docker)`;

async function whyNot(code: string | undefined, socketPath: string): Promise<string> {
  switch (code) {
    case 'ENOENT':
      return (
        `there is no ${socketPath}: start Docker (systemctl start docker), or set DOCKER_HOST=unix:///path for ` +
        "heapwarden where its socket is elsewhere (Podman's is /run/podman/podman.sock: systemctl start podman.socket)"
      );
    case 'ECONNREFUSED':
      return `Docker does not run any more: nobody listens on ${socketPath}; systemctl start docker`;
    case 'EACCES':
    case 'EPERM': {
      const gid = await stat(socketPath).then((found) => ` (gid ${found.gid})`, () => '');
      return (
        `this user may not use ${socketPath}: add it to the group that owns the socket${gid}, most likely by ` +
        'usermod -aG docker USER, and start heapwarden anew; that group is as powerful as root'
      );
    }
    default:
      return `Docker broke off at ${socketPath} (${code ?? 'no reason given'}); is its daemon being restarted?`;
  }
}

function unreachable(why: string, cause?: unknown): HeapwardenError {
  return new HeapwardenError('SUPERVISOR_UNREACHABLE', `Docker cannot be asked: ${why}`, { cause });
}
