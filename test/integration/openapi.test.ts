/** Each answer of a real warden against its own description, which may name no more and no less than there is. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import t from 'tap';
import { waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

interface Schema {
  properties?: Record<string, Schema>;
  anyOf?: Schema[];
  items?: Schema;
}

interface Description {
  paths: Record<string, Record<string, { responses: Record<string, { content?: Record<string, { schema: Schema }> }> }>>;
}

/** What is not described is wrong here, though a client must bear it. */
function strict(schema: Schema): object {
  const { properties, anyOf, items } = schema;
  const inner = properties && Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, strict(value)]));
  const isOpen = inner === undefined || Object.keys(inner).length === 0;
  return {
    ...schema,
    ...(isOpen ? {} : { properties: inner, additionalProperties: false }),
    ...(anyOf ? { anyOf: anyOf.map(strict) } : {}),
    ...(items ? { items: strict(items) } : {}),
  };
}

t.test('every answer is as the description has it', async (t) => {
  const warden = await WardenProcess.start(t, {
    config: `
sample_interval: 300ms
apps:
  - name: shop
    metrics: http://127.0.0.1:1/metrics
    supervisor: { child: { command: ${JSON.stringify([process.execPath, appFile('leaks-by-name.cjs')])} } }
    limits: { rss: { warning: 80MB, critical: 90MB, restart: 120MB, for: 1s } }
    restart: { startup_grace: 1s, stop_timeout: 1s, cooldown: 1h }`,
  });
  await warden.ready();
  const { id } = await warden.finishedRestart(60_000);
  await waitFor('the agent of the new process', async () => (await warden.apps())[0]?.workers[0]?.heap_used_bytes);
  const { paths } = (await (await fetch(`${warden.url}/api/v1/openapi.json`)).json()) as Description;
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  const checkOf = (path: string, method: string, status: number): ValidateFunction => {
    const described = paths[path]![method]!.responses[status];
    if (!described?.content?.['application/json']) throw new Error(`${method} ${path}: ${status} is not described`);
    return ajv.compile(strict(described.content['application/json'].schema));
  };
  const check = (path: string, method: string, { status, body }: { status: number; body: unknown }, expected: number): void => {
    t.equal(status, expected, `${method} ${path}: ${JSON.stringify(body).slice(0, 200)}`);
    const validate = checkOf(path, method, status);
    t.ok(validate(body), `${method} ${path}: ${status} ${ajv.errorsText(validate.errors)}`);
  };
  const read = async (path: string, query: string, expected = 200) => {
    const response = await fetch(warden.url + query);
    check(path, 'get', { status: response.status, body: await response.json() }, expected);
  };
  await read('/api/v1/apps', '/api/v1/apps');
  await read('/api/v1/incidents', '/api/v1/incidents');
  await read('/api/v1/incidents', '/api/v1/incidents?limit=none', 400);
  await read('/api/v1/incidents/{id}', `/api/v1/incidents/${id}`);
  await read('/api/v1/incidents/{id}', '/api/v1/incidents/none', 404);
  await read('/api/v1/advice', '/api/v1/advice');
  await read('/api/v1/apps/{app}/history', '/api/v1/apps/shop/history');
  await read('/api/v1/apps/{app}/history', '/api/v1/apps/none/history', 404);
  await read('/api/v1/http_sd', '/api/v1/http_sd');
  const alert = { status: 'firing', labels: { action: 'restart', app: 'shop', reason: 'rss' }, startsAt: new Date().toISOString(), fingerprint: 'one' };
  const posts: [string, string, unknown, number][] = [
    ['/api/v1/apps/{app}/pause', 'shop', { for: '1h' }, 200],
    ['/api/v1/apps/{app}/pause', 'none', { for: '1h' }, 404],
    ['/api/v1/apps/{app}/pause', 'shop', { for: 'ever' }, 400],
    ['/api/v1/alerts', '', { alerts: [alert, { ...alert, status: 'resolved', fingerprint: 'two' }] }, 202],
    ['/api/v1/apps/{app}/resume', 'shop', undefined, 200],
    ['/api/v1/apps/{app}/restart', 'none', { dry_run: true }, 404],
    ['/api/v1/apps/{app}/restart', 'shop', { reason: 'rss' }, 409],
    ['/api/v1/apps/{app}/restart', 'shop', { dry_run: true, force: true }, 202],
  ];
  for (const [path, app, body, expected] of posts) check(path, 'post', await warden.post(path.replace('{app}', app), body), expected);
  check('/-/reload', 'post', await warden.post('/-/reload', undefined, 'wrong'), 401);
});
