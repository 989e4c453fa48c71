import type { FastifyPluginAsync } from 'fastify';
import Type, { type Static } from 'typebox';
import { AppStatus } from '../publish/app-shape.js';
import { IncidentStatus } from '../publish/incident-shape.js';
import { TargetGroup } from '../publish/service-discovery.js';
import { answering, described } from './answers.js';
import { OPEN } from './openapi.js';
import type { WardenPort } from './port.js';

const IncidentQuery = Type.Object({
  app: Type.Optional(Type.String({ description: 'of this app alone' })),
  limit: Type.Optional(Type.String({ description: 'how many: 1 to 1000; default 100' })),
});

const APPS = {
  ...OPEN,
  summary: 'what runs: the apps and their workers',
  response: answering(200, described('every app that is configured or reports in', { apps: Type.Array(AppStatus) })),
};
const HTTP_SD = {
  ...OPEN,
  summary: "where the apps' own metrics are, as Prometheus's http_sd has it",
  response: answering(200, Type.Array(TargetGroup, { description: 'a group for each app that says where' })),
};
const INCIDENTS = {
  ...OPEN,
  summary: 'what was restarted or not, and why; newest first',
  querystring: IncidentQuery,
  response: answering(200, described('newest first', { incidents: Type.Array(IncidentStatus) }), [400]),
};
const INCIDENT = {
  ...OPEN,
  summary: 'one of them',
  params: Type.Object({ id: Type.String() }),
  response: answering(200, IncidentStatus, [404]),
};

const MOST_INCIDENTS = 1000;
const DEFAULT_INCIDENTS = '100';

/** What runs, and what happened. */
export function appsRoutes(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.get('/api/v1/apps', { schema: APPS }, async () => ({ apps: warden.apps() }));

    server.get('/api/v1/http_sd', { schema: HTTP_SD }, async () => warden.metricsTargets());

    server.get<{ Querystring: Static<typeof IncidentQuery> }>(
      '/api/v1/incidents',
      { schema: INCIDENTS },
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
      { schema: INCIDENT },
      async ({ params: { id } }, reply) => {
        const message = `no incident ${id} is on record`;
        return warden.incident(id) ?? reply.code(404).send({ error: 'not_found', message });
      },
    );
  };
}
