import { createReadStream } from 'node:fs';
import type { FastifyPluginAsync } from 'fastify';
import Type from 'typebox';
import { openOwn } from '../own-files.js';
import { answering, content } from './answers.js';
import { requireToken } from './auth.js';
import { WITH_TOKEN } from './openapi.js';
import type { WardenPort } from './port.js';

/**
 * A file of an incident's evidence. With the token, though it changes nothing: output and heap hold what the app holds.
 * Only what the incident itself names can be asked for.
 */
export function evidenceRoute(warden: WardenPort): FastifyPluginAsync {
  return async (server) => {
    server.get<{ Params: { id: string; file: string } }>(
      '/api/v1/incidents/:id/evidence/:file',
      {
        schema: {
          ...WITH_TOKEN,
          summary: 'a file of its evidence',
          params: Type.Object({ id: Type.String(), file: Type.String() }),
          response: answering(200, content('text/plain', 'the file; application/json where it is not text'), [404]),
        },
        onRequest: requireToken(() => warden.token()),
      },
      async ({ params: { id, file } }, reply) => {
        const path = warden.evidenceFile(id, file);
        const message = `no ${file} of incident ${id} is kept`;
        if (path === null) return reply.code(404).send({ error: 'not_found', message });
        const handle = await openOwn(path, 'read').catch(() => null);
        if (!handle) return reply.code(404).send({ error: 'not_found', message: `${message} any more: evidence.keep has let it go` });
        const { size } = await handle.stat();
        return reply
          .type(file.endsWith('.txt') ? 'text/plain; charset=utf-8' : 'application/json')
          .header('Content-Length', size)
          .header('Content-Disposition', `attachment; filename="${file}"`)
          .header('Cache-Control', 'no-store')
          .send(createReadStream(path, { fd: handle, ...(size > 0 ? { end: size - 1 } : {}) }));
      },
    );
  };
}
