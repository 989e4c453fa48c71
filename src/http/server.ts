import { createServer as createHttpServer } from 'node:http';
import Fastify, {
  type FastifyInstance, type FastifyPluginAsync, type FastifySchemaValidationError, type FastifyServerFactory,
} from 'fastify';
import type { Clock } from '../clock.js';
import { HeapwardenError, messageOf } from '../errors.js';
import { holdsTooMuch, MOST_VALUES } from '../json-size.js';
import type { Log } from '../log.js';
import { checkHost, type HostRules } from './hosts.js';
import { describeRoutes } from './openapi.js';
import { SparseLog } from '../sparse-log.js';
import { putBehindTls } from './tls-front.js';
import { Access } from './web-config/access.js';
import type { WebConfigFile } from './web-config/web-config-file.js';

export interface ListenAddress {
  host: string;
  port: number;
}

/** `host:port`, `[::1]:port` or `:port` (every interface), as Go's net.Listen reads it; null for anything else. */
export function parseListenAddress(text: string): ListenAddress | null {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  return match && port <= 65_535 ? { host: match[1] ?? (match[2] || '::'), port } : null;
}

/** Characters of an app's name in a path: 200 of the config's, each up to nine when percent-encoded. */
const MAX_PARAM_LENGTH = 1800;

/** Bounds on what one client, or all of them, may cost; milliseconds. A stream is written to every 15 s. */
const LIMITS = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 2000 };
const KEEP_ALIVE_MS = 72_000;
const SILENCE_MS = 60_000;
/** Each costs a file descriptor, which the watching needs too. */
const MOST_CONNECTIONS = 2000;

export interface ServerOptions {
  version: string;
  log: Log;
  /** By which names it may be called; without them, by any. */
  hosts?: HostRules;
  /** TLS, headers and users; the token reads, too. */
  web?: { file: WebConfigFile; token(): Promise<string>; clock: Pick<Clock, 'monotonic'> } | undefined;
}

export function createServer(routes: readonly FastifyPluginAsync[], { version, log, hosts, web }: ServerOptions): FastifyInstance {
  const refusals = new SparseLog(log);
  let cutOffHandshakes = (): void => {};
  const overTls: FastifyServerFactory = (handler) => {
    const http = createHttpServer({ ...LIMITS, keepAliveTimeout: KEEP_ALIVE_MS }, handler);
    http.setTimeout(SILENCE_MS);
    const refused = (why: string): void => refusals.warn('tls', `a client was turned away before its request: ${why}`);
    cutOffHandshakes = putBehindTls(http, (onSecure) =>
      web!.file.engine(onSecure, refused).catch((error: unknown) => {
        refusals.error('web config', `every connection is refused, for the web config file has become bad:\n${messageOf(error)}`);
        throw error;
      }),
    );
    return http;
  };
  const server = Fastify({
    logger: false,
    // Keep-alive connections of a scraper would hold a stop up; they are idle between scrapes.
    forceCloseConnections: 'idle',
    http: LIMITS,
    requestTimeout: LIMITS.requestTimeout,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: SILENCE_MS,
    ...(web?.file.usesTls ? { serverFactory: overTls } : {}),
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // What does not fit is refused: with a misspelt `dry_run` dropped, a rehearsal would be a restart.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    schemaErrorFormatter: ([error], where) => new Error(error ? `${where}${problemOf(error)}` : `${where} is invalid`),
  });
  server.server.maxConnections = MOST_CONNECTIONS;
  server.addHook('preClose', async () => cutOffHandshakes());
  if (hosts) server.addHook('onRequest', checkHost(hosts));
  if (web) {
    const access = new Access({ web: web.file, token: web.token, clock: web.clock, log });
    server.addHook('onRequest', access.hook);
    server.addHook('onClose', () => access.close());
  }
  parseBodies(server);
  server.addHook('onSend', async (_request, reply) => {
    reply.header('X-Content-Type-Options', 'nosniff');
  });
  const failures = new SparseLog(log);
  server.setErrorHandler((error: Error & { statusCode?: number }, { method, url, routeOptions }, reply) => {
    const ours = error instanceof HeapwardenError;
    const status = error.statusCode ?? (ours ? 503 : 500);
    if (status < 500) return reply.code(status).send({ error: 'bad_request', message: error.message });
    const kind = `${routeOptions.url} ${ours ? error.code : error.name}`;
    failures.error(kind, `${method} ${url}: ${error.message}`, ours ? {} : { stack: error.stack });
    const message = ours ? error.message : 'heapwarden failed at this; its log says why';
    return reply.code(status).send({ error: 'failed', message });
  });
  server.setNotFoundHandler(({ method, url }, reply) => {
    const message = `${method} ${url.split('?')[0]} is not here; see /`;
    return reply.code(404).send({ error: 'not_found', message });
  });
  // The answers' schemas describe, and take nothing away.
  server.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  describeRoutes(server, version);
  for (const route of routes) server.register(route);
  return server;
}

const TOO_MUCH = `the JSON holds more than ${MOST_VALUES.toLocaleString('en')} values; send less at a time`;

/** JSON, or nothing at all: then the content type does not matter. */
function parseBodies(server: FastifyInstance): void {
  const parseJson = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null);
    else if (holdsTooMuch(body)) done(Object.assign(new Error(TOO_MUCH), { statusCode: 413 }));
    else void parseJson(request, body, done);
  });
  server.addContentTypeParser<string>('*', { parseAs: 'string' }, (_request, body, done) => {
    const refusal = new Error('send JSON, with the header "Content-Type: application/json"');
    done(body === '' ? null : Object.assign(refusal, { statusCode: 415 }));
  });
}

/** In words, with the key or the choices that ajv keeps apart from its message. */
function problemOf({ instancePath, keyword, params, message }: FastifySchemaValidationError): string {
  const { additionalProperty: key } = params;
  if (keyword === 'additionalProperties') return `${instancePath} has no key ${JSON.stringify(key)}`;
  const choices = keyword === 'enum' ? `: ${String(params['allowedValues']).replaceAll(',', ', ')}` : '';
  return `${instancePath} ${message ?? keyword}${choices}`;
}

/** Milliseconds that requests under way get when the server closes; who has sent none by then is cut off. */
const LAST_ANSWERS_MS = 1000;

export async function closeServer(server: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => server.server.closeAllConnections(), LAST_ANSWERS_MS);
  try {
    await server.close();
  } finally {
    clearTimeout(timer);
  }
}

/** Listens on every address, or on none. Throws HeapwardenError ADDRESS_IN_USE. */
export async function listen(server: FastifyInstance, { host, port }: ListenAddress, isSecure = false): Promise<string> {
  try {
    const url = await server.listen({ host, port });
    return isSecure ? url.replace(/^http:/, 'https:') : url;
  } catch (error) {
    const inUse = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    throw new HeapwardenError(
      'ADDRESS_IN_USE',
      `cannot listen on ${address}: ${inUse ? 'another program listens there (a heapwarden that still runs?)' : messageOf(error)}. ` +
        'Choose another with --web.listen-address=HOST:PORT',
      { cause: error },
    );
  }
}
