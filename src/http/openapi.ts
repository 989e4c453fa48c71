import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { answering, described } from './answers.js';

/** What a route says of itself beside its schemas. */
type Security = { security: Record<string, string[]>[] };

export const OPEN: Security = { security: [] };
export const WITH_TOKEN: Security = { security: [{ bearer: [] }, { basic: [] }] };

/** Describes the routes that are registered after it, by their own schemas: https://spec.openapis.org/oas/v3.1.0 */
export function describeRoutes(server: FastifyInstance, version: string): void {
  server.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'heapwarden',
        version,
        description: 'Keeps Node.js services inside their memory limits. Names and units are those of the metrics.',
        license: { name: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'the token of the token file' },
          basic: { type: 'http', scheme: 'basic', description: 'the token as the password, with any user name' },
        },
      },
    },
  });
  server.register(async (routes) => {
    routes.get(
      '/api/v1/openapi.json',
      { schema: { ...OPEN, summary: 'this description', response: answering(200, described('OpenAPI 3.1', {})) } },
      async () => server.swagger(),
    );
  });
}
