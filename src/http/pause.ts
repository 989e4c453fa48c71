import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import Type, { type Static } from 'typebox';
import { parseDuration } from '../units.js';
import { BODY, PauseAnswer, answering } from './answers.js';
import { guarded } from './auth.js';
import { WITH_TOKEN } from './openapi.js';
import type { WardenPort } from './port.js';

const Body = Type.Object(
  { for: Type.Optional(Type.String({ description: 'a duration such as 2h; without it, until it is resumed' })) },
  { additionalProperties: false },
);

const Params = Type.Object({ app: Type.String() });

const RESPONSE = answering(200, PauseAnswer, [...BODY, 404]);

interface AppRoute {
  Params: { app: string };
}

/** A person's switch: no automatic restarts of an app. It outlives heapwarden. */
export function pauseRoutes(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.post<AppRoute & { Body: Static<typeof Body> }>(
      '/api/v1/apps/:app/pause',
      {
        schema: { ...WITH_TOKEN, summary: 'no automatic restarts of it', params: Params, body: Body, response: RESPONSE },
        onRequest: guarded(warden),
        preValidation: async (request) => {
          request.body ??= {};
        },
      },
      async ({ params: { app }, body }, reply) => {
        const forMs = body.for === undefined ? null : parseDuration(body.for);
        if (forMs === 0 || (forMs === null && body.for !== undefined)) {
          const message = `${JSON.stringify(body.for)} is not a duration; write it like 2h or 1h30m`;
          return reply.code(400).send({ error: 'bad_request', message });
        }
        const pause = await warden.pause(app, forMs);
        if (!pause) return unknown(app, reply);
        return { app, paused: { until_seconds: pause.untilMs === null ? null : pause.untilMs / 1000 } };
      },
    );

    server.post<AppRoute>(
      '/api/v1/apps/:app/resume',
      { schema: { ...WITH_TOKEN, summary: 'allow them again', params: Params, response: RESPONSE }, onRequest: guarded(warden) },
      async ({ params: { app } }, reply) => ((await warden.resume(app)) ? { app, paused: null } : unknown(app, reply)),
    );
  };
}

function unknown(app: string, reply: FastifyReply): unknown {
  return reply.code(404).send({ error: 'unknown_app', message: `no app ${JSON.stringify(app)} is configured` });
}
