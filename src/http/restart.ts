import type { FastifyPluginAsync } from 'fastify';
import Type, { type Static } from 'typebox';
import { RESTART_REASONS, type Decision, type RestartReason } from '../decide/decision.js';
import { requireToken } from './auth.js';
import type { WardenPort } from './port.js';

const Body = Type.Object(
  {
    worker: Type.Optional(Type.String({ description: 'a slot such as "0"; without it, every worker' })),
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
    server.post<{ Params: { app: string }; Body: Static<typeof Body> | null }>(
      '/api/v1/apps/:app/restart',
      { schema: { body: { anyOf: [Body, { type: 'null' }] } }, preHandler: requireToken(() => warden.token()) },
      async (request, reply) => {
        const { worker = null, reason = 'manual', force = false, dry_run = false } = request.body ?? {};
        const answers = await warden.requestRestart({ app: request.params.app, worker, reason, force, dryRun: dry_run });
        const decisions = answers.map(({ app, worker: slot, action, reason: why, sentence, incident }) => ({
          app,
          worker: slot,
          action,
          reason: why,
          sentence,
          incident,
        }));
        return reply.code(statusOf(answers)).send({ decisions });
      },
    );
  };
}

/** 202 where at least one restart is under way (or a dry run was asked for), 404 for what is not there, else 409. */
function statusOf(answers: readonly Decision[]): number {
  if (answers.some(({ action, reason }) => action === 'restart' || reason === 'dry_run')) return 202;
  return answers.every(({ reason }) => reason === 'unknown_app') ? 404 : 409;
}
