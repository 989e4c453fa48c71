import type { FastifyPluginAsync } from 'fastify';
import Type, { type Static } from 'typebox';
import type { WardenPort } from './port.js';

const IncidentQuery = Type.Object({
  app: Type.Optional(Type.String()),
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
});

/** What runs, and what happened. */
export function appsRoutes(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.get('/api/v1/apps', async () => ({ apps: warden.apps() }));

    server.get<{ Querystring: Static<typeof IncidentQuery> }>('/api/v1/incidents', { schema: { querystring: IncidentQuery } }, async (request) => ({
      incidents: warden.incidents(request.query),
    }));

    server.get<{ Params: { id: string } }>('/api/v1/incidents/:id', async (request, reply) => {
      const incident = warden.incident(request.params.id);
      return incident ?? reply.code(404).send({ error: 'not_found', message: `no incident ${request.params.id} is on record` });
    });
  };
}
