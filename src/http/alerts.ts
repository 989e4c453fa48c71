import type { FastifyPluginAsync } from 'fastify';
import { WebhookSchema, type Webhook } from '../decide/alerts.js';
import { guarded } from './auth.js';
import type { WardenPort } from './port.js';

/** Bytes; some ten thousand alerts in one body. */
const BODY_LIMIT = 16 * 2 ** 20;

/** The webhook that Alertmanager and Grafana call. */
export function alertsRoute(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.post<{ Body: Webhook }>(
      '/api/v1/alerts',
      { schema: { body: WebhookSchema }, bodyLimit: BODY_LIMIT, onRequest: guarded(warden) },
      async (request, reply) => reply.code(202).send({ alerts: await warden.receiveAlerts(request.body) }),
    );
  };
}
