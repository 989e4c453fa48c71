import type { FastifyPluginAsync } from 'fastify';
import Type, { type Static } from 'typebox';
import type { Answer } from '../act/restarter.js';
import { RESTART_REASONS, type RestartReason } from '../decide/decision.js';
import { guarded } from './auth.js';
import type { WardenPort } from './port.js';

const Body = Type.Object(
  {
    worker: Type.Optional(Type.String({ maxLength: 200, description: 'a slot such as "0"; without it, every worker' })),
    reason: Type.Optional(
      Type.Unsafe<RestartReason>({
        type: 'string',
        enum: [...RESTART_REASONS],
        description: 'a limit named here is measured again; `manual` (default) claims none',
      }),
    ),
    force: Type.Optional(Type.Boolean({ description: 'pass over grace, cooldown, budget and measurement' })),
    dry_run: Type.Optional(Type.Boolean({ description: 'decide and record, touch nothing' })),
  },
  { additionalProperties: false },
);

/** The restart endpoint. */
export function restartRoute(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.post<{ Params: { app: string }; Body: Static<typeof Body> }>(
      '/api/v1/apps/:app/restart',
      {
        schema: { body: Body },
        onRequest: guarded(warden),
        preValidation: async (request) => {
          request.body ??= {}; // no body: every worker, for no reason but the request
        },
      },
      async ({ params: { app }, body }, reply) => {
        const { worker = null, reason = 'manual', force = false, dry_run: dryRun = false } = body;
        const decisions = await warden.requestRestart({ app, worker, reason, force, dryRun });
        return reply.code(statusOf(decisions, dryRun)).send({ decisions });
      },
    );
  };
}

/** 202 where a restart is under way, or would be but for the dry run that was asked for; 404 for what is not there. */
function statusOf(answers: readonly Answer[], dryRun: boolean): number {
  if (answers.some(({ action, reason }) => action === 'restart' || (dryRun && reason === 'dry_run'))) return 202;
  return answers.every(({ reason }) => reason === 'unknown_app') ? 404 : 409;
}
