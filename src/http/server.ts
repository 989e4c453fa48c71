import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifySchemaValidationError } from 'fastify';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { describeRoutes } from './openapi.js';
import { SparseLog } from './sparse-log.js';

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

export function createServer(routes: readonly FastifyPluginAsync[], { version, log }: { version: string; log: Log }): FastifyInstance {
  const server = Fastify({
    logger: false,
    // Keep-alive connections of a scraper would hold a stop up; they are idle between scrapes.
    forceCloseConnections: 'idle',
    requestTimeout: 30_000,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // What does not fit is refused: with a misspelt `dry_run` dropped, a rehearsal would be a restart.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    schemaErrorFormatter: ([error], where) => new Error(error ? `${where}${problemOf(error)}` : `${where} is invalid`),
  });
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

/** JSON, or nothing at all: then the content type does not matter. */
function parseBodies(server: FastifyInstance): void {
  const parseJson = server.getDefaultJsonParser('error', 'error');
  server.removeAllContentTypeParsers();
  server.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null);
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
export async function listen(server: FastifyInstance, { host, port }: ListenAddress): Promise<string> {
  try {
    return await server.listen({ host, port });
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
