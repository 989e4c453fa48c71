import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify';
import { HeapwardenError } from '../errors.js';
import type { Log } from '../log.js';

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

export function createServer(routes: readonly FastifyPluginAsync[], log: Log): FastifyInstance {
  // Keep-alive connections of a scraper would hold a stop up; they are idle between scrapes.
  const server = Fastify({ logger: false, forceCloseConnections: 'idle', requestTimeout: 30_000 });
  // A body of another type is no request of ours; an empty one is none at all.
  server.removeContentTypeParser('text/plain');
  server.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? (error instanceof HeapwardenError ? 503 : 500);
    if (status >= 500) log.error(`${request.method} ${request.url}: ${error.message}`);
    return reply.code(status).send({ error: status >= 500 ? 'failed' : 'bad_request', message: error.message });
  });
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ error: 'not_found', message: `${request.method} ${request.url.split('?')[0]} is not here; see /` }),
  );
  for (const route of routes) server.register(route);
  return server;
}

/** Listens on every address, or on none. Throws HeapwardenError ADDRESS_IN_USE. */
export async function listen(server: FastifyInstance, { host, port }: ListenAddress): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EADDRINUSE' ? 'another program listens there' : (error as Error).message;
    throw new HeapwardenError('ADDRESS_IN_USE', `cannot listen on ${host}:${port}: ${why}. Choose another with --web.listen-address=HOST:PORT`, { cause: error });
  }
}
