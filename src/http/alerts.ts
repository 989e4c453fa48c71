import type { FastifyPluginAsync } from 'fastify';
import { WebhookSchema, type Webhook } from '../decide/alerts.js';
import type { Log } from '../log.js';
import { guarded } from './auth.js';
import { Gate, throughGate } from './gate.js';
import { WITH_TOKEN } from './openapi.js';
import type { WardenPort } from './port.js';
import { SparseLog } from './sparse-log.js';

/** Bytes; some ten thousand alerts in one body. */
const BODY_LIMIT = 16 * 2 ** 20;

/** Parsed, a body takes several times its bytes. Two at the limit fit, so that one that stalls does not hold up all. */
const BYTES_AT_ONCE = 2 * BODY_LIMIT;
const MOST_WAITING = 1000;
/** Milliseconds; Alertmanager gives a notification 10 s at least. */
const PATIENCE_MS = 5000;

/** The webhook that Alertmanager and Grafana call. It is never limited in number: Alertmanager gives up on a 429. */
export function alertsRoute(warden: WardenPort, log: Log): FastifyPluginAsync {
  return async (server) => {
    const gate = new Gate({ bytes: BYTES_AT_ONCE, waiting: MOST_WAITING, patienceMs: PATIENCE_MS });
    const onRequest = [...guarded(warden), throughGate(gate, BODY_LIMIT, new SparseLog(log))];
    server.post<{ Body: Webhook }>(
      '/api/v1/alerts',
      { schema: { ...WITH_TOKEN, summary: "Alertmanager's webhook, version 4, and Grafana's", body: WebhookSchema }, bodyLimit: BODY_LIMIT, onRequest },
      async (request, reply) => reply.code(202).send({ alerts: await warden.receiveAlerts(request.body) }),
    );
  };
}
