import type { FastifyPluginAsync } from 'fastify';
import { CONTENT_TYPES } from '../publish/render.js';
import type { WardenPort } from './port.js';

/** The exposition in the format that the scraper asks for. */
export function metricsRoute(warden: WardenPort, path: string): FastifyPluginAsync {
  return async (server) => {
    server.get(path, async (request, reply) => {
      const exposition = request.headers.accept?.includes('application/openmetrics-text') ? 'openmetrics' : 'text';
      return reply.type(CONTENT_TYPES[exposition]).send(await warden.metrics(exposition));
    });
  };
}
