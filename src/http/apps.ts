import type { FastifyPluginAsync } from 'fastify';
import Type, { type Static } from 'typebox';
import { OPEN } from './openapi.js';
import type { WardenPort } from './port.js';

const IncidentQuery = Type.Object({
  app: Type.Optional(Type.String({ description: 'of this app alone' })),
  limit: Type.Optional(Type.String({ description: 'how many: 1 to 1000; default 100' })),
});

const MOST_INCIDENTS = 1000;
const DEFAULT_INCIDENTS = '100';

/** What runs, and what happened. */
export function appsRoutes(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.get('/api/v1/apps', { schema: { ...OPEN, summary: 'what runs: the apps and their workers' } }, async () => ({ apps: warden.apps() }));

    const httpSd = { ...OPEN, summary: "where the apps' own metrics are, as Prometheus's http_sd has it" };
    server.get('/api/v1/http_sd', { schema: httpSd }, async () => warden.metricsTargets());

    server.get<{ Querystring: Static<typeof IncidentQuery> }>(
      '/api/v1/incidents',
      { schema: { ...OPEN, summary: 'what was restarted or not, and why; newest first', querystring: IncidentQuery } },
      async ({ query }, reply) => {
        const limit = Number(query.limit ?? DEFAULT_INCIDENTS);
        if (Number.isInteger(limit) && limit >= 1 && limit <= MOST_INCIDENTS) {
          return { incidents: warden.incidents({ app: query.app, limit }) };
        }
        const message = `limit is a whole number from 1 to ${MOST_INCIDENTS}`;
        return reply.code(400).send({ error: 'bad_request', message });
      },
    );

    server.get<{ Params: { id: string } }>(
      '/api/v1/incidents/:id',
      { schema: { ...OPEN, summary: 'one of them', params: Type.Object({ id: Type.String() }) } },
      async ({ params: { id } }, reply) => {
        const message = `no incident ${id} is on record`;
        return warden.incident(id) ?? reply.code(404).send({ error: 'not_found', message });
      },
    );
  };
}
