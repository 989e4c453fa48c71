import type { FastifyPluginAsync } from 'fastify';
import Type, { type Static } from 'typebox';
import type { WardenPort } from './port.js';

const IncidentQuery = Type.Object({
  app: Type.Optional(Type.String()),
  limit: Type.Optional(Type.String()),
});

const MOST_INCIDENTS = 1000;
const DEFAULT_INCIDENTS = '100';

/** What runs, and what happened. */
export function appsRoutes(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.get('/api/v1/apps', async () => ({ apps: warden.apps() }));

    server.get('/api/v1/http_sd', async () => warden.metricsTargets());

    server.get<{ Querystring: Static<typeof IncidentQuery> }>(
      '/api/v1/incidents',
      { schema: { querystring: IncidentQuery } },
      async ({ query }, reply) => {
        const limit = Number(query.limit ?? DEFAULT_INCIDENTS);
        if (Number.isInteger(limit) && limit >= 1 && limit <= MOST_INCIDENTS) {
          return { incidents: warden.incidents({ app: query.app, limit }) };
        }
        const message = `limit is a whole number from 1 to ${MOST_INCIDENTS}`;
        return reply.code(400).send({ error: 'bad_request', message });
      },
    );

    server.get<{ Params: { id: string } }>('/api/v1/incidents/:id', async ({ params: { id } }, reply) => {
      const message = `no incident ${id} is on record`;
      return warden.incident(id) ?? reply.code(404).send({ error: 'not_found', message });
    });
  };
}
