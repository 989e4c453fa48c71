import type { FastifyPluginAsync } from 'fastify';
import { CONTENT_TYPES, type Exposition } from '../publish/render.js';
import { answering, content } from './answers.js';
import { OPEN } from './openapi.js';
import type { WardenPort } from './port.js';

const METRICS = {
  ...OPEN,
  summary: 'metrics for Prometheus',
  response: answering(200, content('text/plain', 'text format 0.0.4; OpenMetrics where it is asked for')),
};

/** The exposition in the format that the scraper asks for. */
export function metricsRoute(warden: Pick<WardenPort, 'metrics'>, path: string): FastifyPluginAsync {
  return async (server) => {
    server.get(path, { schema: METRICS }, async (request, reply) => {
      const exposition = expositionFor(request.headers.accept ?? '');
      return reply.type(CONTENT_TYPES[exposition]).send(await warden.metrics(exposition));
    });
  };
}

/** OpenMetrics where it is asked for and plain text is not preferred (RFC 9110, 12.5.1); text for all others. */
function expositionFor(accept: string): Exposition {
  const weightOf = (type: string): number => {
    const ranges = accept.split(',').map((range) => range.split(';').map((part) => part.trim().toLowerCase()));
    const weights = ranges.filter(([name]) => name === type).map((range) => {
      const weight = range.find((part) => part.startsWith('q='));
      return weight === undefined ? 1 : Number(weight.slice(2));
    });
    return Math.max(0, ...weights);
  };
  const openmetrics = weightOf('application/openmetrics-text');
  return openmetrics > 0 && openmetrics >= weightOf('text/plain') ? 'openmetrics' : 'text';
}
