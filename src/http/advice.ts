import type { FastifyPluginAsync } from 'fastify';
import Type, { type Static } from 'typebox';
import { AppAdvice } from '../publish/advice.js';
import { answering, described } from './answers.js';
import { OPEN } from './openapi.js';
import type { WardenPort } from './port.js';

const AdviceQuery = Type.Object({ app: Type.Optional(Type.String({ description: 'of this app alone' })) });

const ADVICE = {
  ...OPEN,
  summary: 'what to change, by what was measured',
  querystring: AdviceQuery,
  response: answering(200, described('an entry for each app', { apps: Type.Array(AppAdvice) }), [404]),
};

/** What to change, by what was measured. */
export function adviceRoute(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.get<{ Querystring: Static<typeof AdviceQuery> }>(
      '/api/v1/advice',
      { schema: ADVICE },
      async ({ query: { app } }, reply) => {
        const apps = warden.advice(app);
        if (apps) return { apps };
        return reply.code(404).send({ error: 'not_found', message: `no app ${app} is configured` });
      },
    );
  };
}
