import t from 'tap';
import { ConfigError, HeapwardenError } from '../../src/errors.js';
import { listen } from '../../src/http/server.js';
import { ALERTMANAGER, GRAFANA } from '../decide/payloads.js';
import { BEARER, answerOf, serverOf } from './support.js';

const JSON_TYPE = { 'content-type': 'application/json' };

t.test('metrics in the format that is asked for', async (t) => {
  const { server } = serverOf(t);
  const text = 'text/plain; version=0.0.4; charset=utf-8';
  const openmetrics = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
  const cases: [string | undefined, string][] = [
    [undefined, text],
    ['*/*', text],
    ['text/html,application/xhtml+xml,*/*;q=0.8', text],
    // Prometheus 2.42
    [
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,' +
        'text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      openmetrics,
    ],
    // Prometheus 3
    [
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,' +
        'application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,' +
        'text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      openmetrics,
    ],
    ['text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0.5', text],
    ['application/openmetrics-text;q=0', text],
    ['Application/OpenMetrics-Text ; Q=1', openmetrics],
    ['application/openmetrics-text;q=much', text],
  ];
  for (const [accept, type] of cases) {
    const response = await server.inject({ url: '/metrics', headers: accept === undefined ? {} : { accept } });
    t.equal(response.headers['content-type'], type, String(accept));
    t.equal(response.body, type === text ? '# text\n' : '# openmetrics\n');
  }
});

t.test('metrics where the flag says', async (t) => {
  const { server } = serverOf(t, { metricsPath: '/prom/metrics' });
  t.equal((await server.inject('/prom/metrics')).statusCode, 200);
  t.equal((await server.inject('/metrics')).statusCode, 404);
});

t.test('healthy and ready', async (t) => {
  const { server, warden } = serverOf(t);
  const get = async (url: string) => {
    const { statusCode, body } = await server.inject(url);
    return [statusCode, body];
  };
  t.strictSame(await get('/-/ready'), [200, 'heapwarden is ready.\n']);
  warden.ready = false;
  t.strictSame(await get('/-/ready'), [503, 'heapwarden is starting.\n']);
  t.strictSame(await get('/-/healthy'), [200, 'heapwarden is healthy.\n']);
});

t.test('nothing is decided before everything has been measured once', async (t) => {
  const { server, warden } = serverOf(t);
  warden.ready = false;
  for (const url of ['/-/reload', '/api/v1/alerts', '/api/v1/apps/shop/restart']) {
    const { statusCode, headers, body } = await server.inject({ method: 'POST', url, headers: BEARER, payload: { alerts: [] } });
    t.match([statusCode, headers['retry-after'], JSON.parse(body)], [503, '1', { error: 'not_ready' }], url);
    t.equal((await server.inject({ method: 'POST', url })).statusCode, 401, 'and a stranger is told nothing');
  }
  warden.ready = true;
  t.equal((await server.inject({ method: 'POST', url: '/-/reload', headers: BEARER })).statusCode, 200);
});

t.test('reload', async (t) => {
  const { server, warden } = serverOf(t);
  const reload = (more = {}) => server.inject({ method: 'POST', url: '/-/reload', headers: { ...BEARER, ...more } });
  const done = await reload();
  t.strictSame([done.statusCode, done.body, warden.reloads], [200, 'config reloaded.\n', 1]);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  t.equal((await reload(form)).statusCode, 200, 'as curl --data "" sends it');

  warden.onReload = async () => {
    throw new ConfigError([], 'heapwarden.yml:3:5: there is no key "limit"\n  limit: 1\n  ^');
  };
  const failed = await reload();
  t.equal(failed.statusCode, 500);
  t.equal(
    failed.body,
    'the running config stays; failed to reload:\nheapwarden.yml:3:5: there is no key "limit"\n  limit: 1\n  ^\n',
  );
  warden.onReload = async () => {
    throw new TypeError('a bug');
  };
  t.match((await reload()).json(), { error: 'failed', message: 'heapwarden failed at this; its log says why' });
});

t.test('alerts', async (t) => {
  const { server, warden } = serverOf(t);
  const post = (payload: unknown, headers: Record<string, string> = JSON_TYPE) =>
    server.inject({
      method: 'POST',
      url: '/api/v1/alerts',
      headers: { ...BEARER, ...headers },
      payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    });

  const answer = { fingerprint: 'f', app: 'shop', worker: '1', decision: 'restart', sentence: 's', incident: 'i' };
  warden.onAlerts = async () => [answer];
  for (const payload of [ALERTMANAGER, GRAFANA]) {
    const response = await post(payload);
    t.equal(response.statusCode, 202);
    t.strictSame(response.json(), { alerts: [answer] });
    t.strictSame(warden.webhooks.pop(), payload, 'as it was sent, with the keys that nobody knows');
  }

  const [alert] = ALERTMANAGER.alerts;
  const bad: [string, unknown, string][] = [
    ['nothing', '', 'body must be object'],
    ['no alerts', {}, "body must have required property 'alerts'"],
    ['a list', [], 'body must be object'],
    ['null', null, 'body must be object'],
    ['text', '"alerts"', 'body must be object'],
    ['alerts of another shape', { alerts: {} }, 'body/alerts must be array'],
    ['an alert that is none', { alerts: ['fire'] }, 'body/alerts/0 must be object'],
    ['a number for a label', { alerts: [{ ...alert, labels: { a: 1 } }] }, 'body/alerts/0/labels/a must be string'],
    ['no labels', { alerts: [{ ...alert, labels: undefined }] }, "body/alerts/0 must have required property 'labels'"],
    ['a number for a time', { alerts: [{ ...alert, startsAt: 5 }] }, 'body/alerts/0/startsAt must be string'],
  ];
  for (const [what, payload, message] of bad) {
    const response = await post(payload);
    t.equal(response.statusCode, 400, what);
    t.strictSame(response.json(), { error: 'bad_request', message }, what);
  }
  t.match((await post('{"alerts": [')).json(), { error: 'bad_request', message: /JSON/ });
  t.equal((await post('{"alerts":[],"__proto__":{"a":1}}')).statusCode, 400);
  const form = await post('alerts=1', { 'content-type': 'application/x-www-form-urlencoded' });
  t.equal(form.statusCode, 415);
  t.strictSame(form.json(), {
    error: 'bad_request',
    message: 'send JSON, with the header "Content-Type: application/json"',
  });
  t.strictSame(warden.webhooks, []);

  warden.onAlerts = async () => {
    throw new HeapwardenError('JOURNAL_UNWRITABLE', 'the journal cannot be written: ENOSPC');
  };
  t.equal((await post(ALERTMANAGER)).statusCode, 503, 'so that Alertmanager tries again');
});

t.test('alerts up to 16 MiB', async (t) => {
  const { server, warden } = serverOf(t);
  const post = (bytes: number) => {
    const frame = '{"alerts":[],"groupKey":""}';
    const payload = frame.replace('""', `"${'x'.repeat(bytes - frame.length)}"`);
    return server.inject({ method: 'POST', url: '/api/v1/alerts', headers: { ...BEARER, ...JSON_TYPE }, payload });
  };
  t.equal((await post(16 * 2 ** 20)).statusCode, 202);
  t.equal((await post(16 * 2 ** 20 + 1)).statusCode, 413);
  t.equal(warden.webhooks.length, 1);
});

t.test('a body is not parsed into millions of values', async (t) => {
  const { server, warden } = serverOf(t);
  const url = await listen(server, { host: '127.0.0.1', port: 0 });
  const post = (path: string, alerts: string) =>
    fetch(`${url}${path}`, { method: 'POST', headers: { ...BEARER, ...JSON_TYPE }, body: `{"alerts":[${alerts}]}` });
  const alert = JSON.stringify(ALERTMANAGER.alerts[0]);
  t.equal((await post('/api/v1/alerts', Array(5000).fill(alert).join(','))).status, 202);
  t.equal(warden.webhooks[0]?.alerts.length, 5000);
  const bomb = await post('/api/v1/alerts', `${'{},'.repeat(5_500_000)}{}`);
  t.equal(bomb.status, 413);
  t.strictSame(await bomb.json(), { error: 'bad_request', message: 'the JSON holds more than 500,000 values; send less at a time' });
  t.equal((await post('/api/v1/apps/shop/restart', `${'{},'.repeat(260_000)}{}`)).status, 413, 'nor one of another route');
  t.equal(warden.webhooks.length, 1);
});

t.test('restart', async (t) => {
  const { server, warden } = serverOf(t);
  const post = (payload?: unknown, app = 'shop') =>
    server.inject({
      method: 'POST',
      url: `/api/v1/apps/${encodeURIComponent(app)}/restart`,
      headers: { ...BEARER, ...(payload === undefined ? {} : JSON_TYPE) },
      ...(payload === undefined ? {} : { payload: JSON.stringify(payload) }),
    });
  const all = { app: 'shop', worker: null, reason: 'manual', force: false, dryRun: false };

  t.test('without a body: every worker', async (t) => {
    const response = await post();
    t.equal(response.statusCode, 202);
    t.strictSame(response.json(), {
      decisions: [
        {
          action: 'restart',
          reason: 'manual',
          sentence: 'shop/0: about it',
          app: 'shop',
          worker: '0',
          incident: 'one',
        },
      ],
    });
    t.strictSame(warden.requests.pop(), all);
    const empty = await server.inject({
      method: 'POST', url: '/api/v1/apps/shop/restart', headers: { ...BEARER, ...JSON_TYPE }, payload: '',
    });
    t.equal(empty.statusCode, 202, 'an empty one is none');
    t.strictSame(warden.requests.pop(), all);
    await post({});
    t.strictSame(warden.requests.pop(), all);
  });

  t.test('with a body: what it says', async (t) => {
    await post({ worker: '1', reason: 'heap', force: true, dry_run: true });
    t.strictSame(warden.requests.pop(), { app: 'shop', worker: '1', reason: 'heap', force: true, dryRun: true });
  });

  t.test('an app of any name', async (t) => {
    for (const app of ['a b', 'a/b', 'ünï', '%2F', '..a', '日'.repeat(200), 'x'.repeat(200)]) {
      t.equal((await post(undefined, app)).statusCode, 202, app.slice(0, 10));
      t.equal(warden.requests.pop()!.app, app);
    }
  });

  t.test('what it does not understand it refuses, and restarts nothing', async (t) => {
    const cases: [unknown, string][] = [
      [{ dryRun: true }, 'body has no key "dryRun"'],
      [{ pid: 1 }, 'body has no key "pid"'],
      [{ worker: 1 }, 'body/worker must be string'],
      [{ worker: null }, 'body/worker must be string'],
      [{ worker: 'x'.repeat(201) }, 'body/worker must NOT have more than 200 characters'],
      [{ force: 'true' }, 'body/force must be boolean'],
      [{ dry_run: 1 }, 'body/dry_run must be boolean'],
      [
        { reason: 'boredom' },
        'body/reason must be equal to one of the allowed values: rss, heap, freeze, uptime, schedule, manual',
      ],
      [[], 'body must be object'],
      ['shop', 'body must be object'],
      [0, 'body must be object'],
      [false, 'body must be object'],
    ];
    for (const [payload, message] of cases) {
      const response = await post(payload);
      t.equal(response.statusCode, 400, JSON.stringify(payload));
      t.strictSame(response.json(), { error: 'bad_request', message });
    }
    t.strictSame(warden.requests, []);
  });

  t.test('the status tells what was decided', async (t) => {
    const [yes, no, unknown] = [
      answerOf('restart', 'manual'),
      answerOf('refuse', 'cooldown'),
      answerOf('refuse', 'unknown_app'),
    ];
    const dry = answerOf('refuse', 'dry_run');
    const statusFor = async (answers: typeof warden.answers, payload = {}) => {
      warden.answers = answers;
      return (await post(payload)).statusCode;
    };
    t.equal(await statusFor([yes]), 202);
    t.equal(await statusFor([no, yes]), 202);
    t.equal(await statusFor([no]), 409);
    t.equal(await statusFor([unknown]), 404);
    t.equal(await statusFor([unknown, no]), 409);
    t.equal(await statusFor([dry], { dry_run: true }), 202, 'a rehearsal that went well');
    t.equal(await statusFor([dry]), 409, 'but nothing was restarted where a restart was asked for');
  });
});

t.test('apps and incidents', async (t) => {
  const { server, warden } = serverOf(t);
  const get = async (url: string) => {
    const response = await server.inject(url);
    return [response.statusCode, response.json()] as const;
  };
  t.strictSame(await get('/api/v1/apps'), [200, { apps: warden.apps() }]);
  const [incident] = warden.incidentsOnRecord;
  t.strictSame(await get('/api/v1/incidents'), [200, { incidents: [incident] }]);
  t.strictSame(warden.filters.pop(), { app: undefined, limit: 100 });
  await get('/api/v1/incidents?app=shop&limit=1000&colour=red');
  t.strictSame(warden.filters.pop(), { app: 'shop', limit: 1000 });
  t.strictSame(await get('/api/v1/incidents/one'), [200, incident]);
  t.strictSame(await get('/api/v1/incidents/two'), [
    404,
    { error: 'not_found', message: 'no incident two is on record' },
  ]);
  for (const limit of ['0', '1001', '-1', '1.5', 'all', '', 'NaN']) {
    t.strictSame(
      await get(`/api/v1/incidents?limit=${limit}`),
      [400, { error: 'bad_request', message: 'limit is a whole number from 1 to 1000' }],
      limit,
    );
  }
  t.strictSame(await get('/api/v1/incidents?app=a&app=b'), [
    400,
    { error: 'bad_request', message: 'querystring/app must be string' },
  ]);
  t.strictSame(warden.filters, []);
});

t.test('advice: of every app, or of one', async (t) => {
  const { server, warden } = serverOf(t);
  const get = async (url: string) => {
    const { statusCode, body } = await server.inject(url);
    return [statusCode, JSON.parse(body)];
  };
  warden.adviceOnRecord.push({
    app: 'shop',
    advice: [{ code: 'not_running', workers: ['0'], sentence: 'does not run', change: null, measured_seconds: 0, figures: {} }],
  });
  t.strictSame(await get('/api/v1/advice'), [200, { apps: warden.adviceOnRecord }]);
  t.strictSame(await get('/api/v1/advice?app=shop'), [200, { apps: warden.adviceOnRecord }]);
  t.strictSame(await get('/api/v1/advice?app=a%20b'), [404, { error: 'not_found', message: 'no app a b is configured' }]);
  t.match(await get('/api/v1/advice?app=a&app=b'), [400, { error: 'bad_request' }]);

});

t.test('pause and resume', async (t) => {
  const { server, warden } = serverOf(t);
  const post = async (path: string, payload?: object, headers: object = BEARER) => {
    const response = await server.inject({ method: 'POST', url: `/api/v1/apps/${path}`, headers: { ...headers }, ...(payload ? { payload } : {}) });
    return [response.statusCode, response.json()];
  };
  t.strictSame(await post('shop/pause'), [200, { app: 'shop', paused: { until_seconds: null } }]);
  t.strictSame(await post('shop/pause', { for: '2h' }), [200, { app: 'shop', paused: { until_seconds: 8200 } }]);
  t.strictSame(await post('shop/resume'), [200, { app: 'shop', paused: null }]);
  t.strictSame(warden.pauses.splice(0), [['shop', null], ['shop', 7_200_000], ['shop', 'resume']]);
  const unknown = [404, { error: 'unknown_app', message: 'no app "shoop" is configured' }];
  t.strictSame(await post('shoop/pause'), unknown);
  t.strictSame(await post('shoop/resume'), unknown);
  warden.pauses.length = 0;
  for (const [given, said] of [['soon', '"soon"'], ['0s', '"0s"'], ['', '""']] as const) {
    const message = `${said} is not a duration; write it like 2h or 1h30m`;
    t.strictSame(await post('shop/pause', { for: given }), [400, { error: 'bad_request', message }]);
  }
  t.match(await post('shop/pause', { until: 'noon' }), [400, { message: /has no key "until"/ }]);
  t.match(await post('shop/pause', undefined, {}), [401, {}]);
  t.match(await post('shop/resume', undefined, {}), [401, {}]);
  t.strictSame(warden.pauses, []);
});

t.test('a sender may ask that nothing waits', async (t) => {
  const { server, warden } = serverOf(t);
  const post = (query: string) =>
    server.inject({ method: 'POST', url: `/api/v1/alerts${query}`, headers: BEARER, payload: { alerts: [] } });
  for (const query of ['', '?wait=true', '?wait=false']) t.equal((await post(query)).statusCode, 202, query);
  t.strictSame(warden.mayWait, [true, true, false]);
  t.equal((await post('?wait=perhaps')).statusCode, 400);
});

t.test("the apps' own metrics, for Prometheus to find", async (t) => {
  const { server } = serverOf(t);
  const { statusCode, headers, body } = await server.inject('/api/v1/http_sd');
  t.match([statusCode, headers['content-type']], [200, /^application\/json/]);
  t.strictSame(JSON.parse(body), [{ targets: ['127.0.0.1:3000'], labels: { app: 'shop' } }]);
});
