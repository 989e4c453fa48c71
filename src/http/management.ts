import type { FastifyPluginAsync } from 'fastify';
import { HeapwardenError } from '../errors.js';
import { BODY, answering, content } from './answers.js';
import { guarded } from './auth.js';
import { OPEN, WITH_TOKEN } from './openapi.js';
import type { WardenPort } from './port.js';

const text = (description: string) => content('text/plain', description);

const READINESS: Record<number, unknown> = { ...answering(200, text('it has')), 503: text('not yet') };

/** Prometheus's management API: https://prometheus.io/docs/prometheus/latest/management_api/ */
export function managementRoutes(warden: Pick<WardenPort, 'token' | 'isReady' | 'reload'>): FastifyPluginAsync {
  return async (server) => {
    server.get('/-/healthy', { schema: { ...OPEN, summary: 'whether it runs', response: answering(200, text('it does')) } }, async (_request, reply) => reply.type('text/plain').send('heapwarden is healthy.\n'));

    server.get('/-/ready', { schema: { ...OPEN, summary: 'whether everything has been measured once', response: READINESS } }, async (_request, reply) => {
      const ready = warden.isReady();
      const words = ready ? 'heapwarden is ready.\n' : 'heapwarden is starting.\n';
      return reply.code(ready ? 200 : 503).type('text/plain').send(words);
    });

    server.post('/-/reload', { schema: { ...WITH_TOKEN, summary: 'take over a changed config', response: { ...answering(200, text('done'), BODY), 500: text('the running config stays; what is wrong with the other') } }, onRequest: guarded(warden) }, async (_request, reply) => {
      try {
        await warden.reload();
        return await reply.type('text/plain').send('config reloaded.\n');
      } catch (error) {
        if (!(error instanceof HeapwardenError)) throw error;
        const words = `the running config stays; failed to reload:\n${error.message}\n`;
        return reply.code(500).type('text/plain').send(words);
      }
    });
  };
}
