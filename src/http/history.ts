import type { FastifyPluginAsync } from 'fastify';
import Type, { type Static } from 'typebox';
import { AppHistory, RANGES } from '../publish/day.js';
import { answering } from './answers.js';
import { OPEN } from './openapi.js';
import type { WardenPort } from './port.js';

const Query = Type.Object({
  range: Type.Optional(Type.Enum(RANGES, { description: 'default: 1h' })),
  worker: Type.Optional(Type.String({ maxLength: 200, description: 'a slot such as "0"; without it, every worker' })),
});

const Params = Type.Object({ app: Type.String() });

const HISTORY = {
  ...OPEN,
  summary: "its workers' memory, heap, event-loop delay and GC over the last hour or day",
  params: Params,
  querystring: Query,
  response: answering(200, AppHistory, [400, 404]),
};

/** What the status page and the monitor draw: the last hour in slices of 10 s, or the last day in slices of 2 min. */
export function historyRoute(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.get<{ Params: { app: string }; Querystring: Static<typeof Query> }>(
      '/api/v1/apps/:app/history',
      { schema: HISTORY },
      async ({ params: { app }, query: { range = '1h', worker } }, reply) => {
        const history = warden.history(app, range, worker);
        if (history) return history;
        return reply.code(404).send({ error: 'not_found', message: `no app ${JSON.stringify(app)} is known` });
      },
    );
  };
}
