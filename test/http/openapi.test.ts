import t from 'tap';
import { serverOf } from './support.js';

interface Description {
  openapi: string;
  info: { version: string };
  paths: Record<string, Record<string, { summary?: string; security?: object[]; requestBody?: object; parameters?: { name: string }[]; responses: Record<string, { content?: object }> }>>;
}

t.test('every route of the API is described, with who may call it', async (t) => {
  const { server } = serverOf(t);
  await server.ready();
  const { openapi, info, paths } = (await server.inject('/api/v1/openapi.json')).json() as Description;
  t.equal(openapi, '3.1.0');
  t.equal(info.version, '1.2.3');
  t.strictSame(Object.keys(paths).toSorted(), [
    '/-/healthy',
    '/-/ready',
    '/-/reload',
    '/api/v1/advice',
    '/api/v1/alerts',
    '/api/v1/apps',
    '/api/v1/apps/{app}/history',
    '/api/v1/apps/{app}/pause',
    '/api/v1/apps/{app}/restart',
    '/api/v1/apps/{app}/resume',
    '/api/v1/http_sd',
    '/api/v1/incidents',
    '/api/v1/incidents/{id}',
    '/api/v1/incidents/{id}/evidence/{file}',
    '/api/v1/openapi.json',
    '/api/v1/stream',
    '/metrics',
  ]);
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { summary, security, responses }] of Object.entries(methods)) {
      t.ok(summary, `${method} ${path} says what it is`);
      t.ok((responses['200'] ?? responses['202'])?.content, `${method} ${path} says what it answers`);
      t.ok(responses['403'], `${method} ${path} may be called by a wrong name`);
      t.ok(responses['401'] && responses['429'], `${method} ${path} may want a user of the web config, or be asked too often`);
      if (method === 'post') t.ok(responses['413'] && responses['415'], `${path} does not take every body`);
      const url = path.replaceAll(/\{\w+\}/g, 'x');
      if (path === '/api/v1/stream') continue; // has no end
      const { statusCode } = await server.inject({ method: method.toUpperCase() as 'GET', url });
      t.equal(statusCode === 401, security!.length > 0, `${method} ${path}: ${statusCode} without the token`);
    }
  }
  t.match(paths['/api/v1/apps/{app}/restart']!['post'], {
    parameters: [{ name: 'app', in: 'path' }],
    requestBody: { content: { 'application/json': { schema: { properties: { dry_run: { type: 'boolean' } } } } } },
  });
});
