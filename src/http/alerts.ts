import type { FastifyPluginAsync } from 'fastify';
import Type, { type Static } from 'typebox';
import { WebhookSchema, type Webhook } from '../decide/alerts.js';
import type { Log } from '../log.js';
import { AlertAnswer, BODY, answering, described } from './answers.js';
import { guarded } from './auth.js';
import { Gate, throughGate } from './gate.js';
import { WITH_TOKEN } from './openapi.js';
import type { WardenPort } from './port.js';
import { SparseLog } from '../sparse-log.js';

/** Bytes; some ten thousand alerts in one body. */
const BODY_LIMIT = 16 * 2 ** 20;

/** Parsed, a body takes several times its bytes. Two at the limit fit, so that one that stalls does not hold up all. */
const BYTES_AT_ONCE = 2 * BODY_LIMIT;
const MOST_WAITING = 1000;
/** Milliseconds; Alertmanager gives a notification 10 s at least. */
const PATIENCE_MS = 5000;

const Query = Type.Object({
  wait: Type.Optional(
    Type.Unsafe<'true' | 'false'>({
      type: 'string',
      enum: ['true', 'false'],
      description: 'false: an alert that is refused only for now is not kept; whoever sends it asks again (the relay does)',
    }),
  ),
});

/** Whoever takes alerts: the warden, or the relay for many of them. */
export interface AlertReceiver {
  /** Resolves with an answer for each alert. */
  receiveAlerts(webhook: Webhook, options: { mayWait: boolean }): Promise<readonly unknown[]>;
}

/** The webhook that Alertmanager and Grafana call. It is never limited in number: Alertmanager gives up on a 429. */
export function alertsRoute(warden: Pick<WardenPort, 'token' | 'isReady'> & AlertReceiver, log: Log): FastifyPluginAsync {
  return async (server) => {
    const gate = new Gate({ bytes: BYTES_AT_ONCE, waiting: MOST_WAITING, patienceMs: PATIENCE_MS });
    const onRequest = [...guarded(warden), throughGate(gate, BODY_LIMIT, new SparseLog(log))];
    server.post<{ Body: Webhook; Querystring: Static<typeof Query> }>(
      '/api/v1/alerts',
      {
        schema: {
          ...WITH_TOKEN,
          summary: "Alertmanager's webhook, version 4, and Grafana's",
          body: WebhookSchema,
          querystring: Query,
          response: answering(202, described('a decision for each alert', { alerts: Type.Array(AlertAnswer) }), BODY),
        },
        bodyLimit: BODY_LIMIT,
        onRequest,
      },
      async ({ body, query }, reply) => {
        const alerts = await warden.receiveAlerts(body, { mayWait: query.wait !== 'false' });
        return reply.code(202).send({ alerts });
      },
    );
  };
}
