import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import Type, { type Static } from 'typebox';
import type { Answer } from '../act/restarter.js';
import type { Clock } from '../clock.js';
import { RESTART_REASONS, type RestartReason } from '../decide/decision.js';
import type { Log } from '../log.js';
import { BODY, RestartAnswer, answering, described } from './answers.js';
import { guarded } from './auth.js';
import { WITH_TOKEN } from './openapi.js';
import type { WardenPort } from './port.js';
import { RateLimit } from './rate-limit.js';
import { SparseLog } from '../sparse-log.js';

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
    force: Type.Optional(Type.Boolean({ description: 'pass over every gate (pause, window, grace, cooldown, budget, …) and the measurement' })),
    dry_run: Type.Optional(Type.Boolean({ description: 'decide and record, touch nothing' })),
  },
  { additionalProperties: false },
);

const Params = Type.Object({ app: Type.String() });

const Decisions = described('a decision for each worker', { decisions: Type.Array(RestartAnswer) });

const RESTART = {
  ...WITH_TOKEN,
  summary: 'restart it: 202 where something is restarted, 409 where all is refused',
  params: Params,
  body: Body,
  response: { ...answering(202, Decisions, BODY), 404: Decisions, 409: Decisions },
};

/** Requests for one app in any minute, rehearsals among them. */
const MOST_A_MINUTE = 30;
const MINUTE_MS = 60_000;
/** The key of all names that are not configured: anybody's request may name what it likes. */
const NOT_CONFIGURED = '';

/** The restart endpoint. */
export function restartRoute(warden: WardenPort, parts: { clock: Clock; log: Log }): FastifyPluginAsync {
  return async (server) => {
    const limit = new RateLimit(MOST_A_MINUTE, MINUTE_MS, parts.clock);
    const log = new SparseLog(parts.log);
    const limited = async ({ params }: { params: { app: string } }, reply: FastifyReply): Promise<unknown> => {
      const isConfigured = warden.isConfigured(params.app);
      const app = isConfigured ? params.app : NOT_CONFIGURED;
      const waitMs = limit.take(app);
      if (waitMs === 0) return undefined;
      const seconds = Math.ceil(waitMs / 1000);
      const whose = isConfigured ? app : 'apps that are not configured';
      const most = `${MOST_A_MINUTE} requests to restart`;
      log.warn(`limit ${app}`, `${whose}: more than ${most} came in a minute; the rest is refused`);
      const message =
        `${whose}: ${most} came in the last minute, and no more are taken. Wait ${seconds} s; force does not pass this ` +
        'limit. One request without a worker is for all workers of an app';
      return reply.code(429).header('Retry-After', String(seconds)).send({ error: 'too_many_requests', message });
    };
    server.post<{ Params: { app: string }; Body: Static<typeof Body> }>(
      '/api/v1/apps/:app/restart',
      {
        schema: RESTART,
        onRequest: [...guarded(warden), limited],
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
