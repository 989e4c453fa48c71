import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { readAlerts, type Webhook } from '../../src/decide/alerts.js';
import { ALERTMANAGER, GRAFANA } from '../decide/payloads.js';
import { BEARER, serverOf } from '../http/support.js';
import { anyText, damagedText, jsonWith } from './damage.js';
import { target, type Target } from './target.js';

const KEYS = ['alerts', 'status', 'labels', 'startsAt', 'endsAt', 'fingerprint', 'app', 'worker', 'action', 'reason', 'version', 'force', 'dry_run', 'for', '__proto__'];
const VALUES = ['firing', 'resolved', 'restart', '2026-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '275761-01-01', 'shop', '0', {}];

const bodies = fc.oneof(anyText, damagedText([ALERTMANAGER, GRAFANA].map((payload) => JSON.stringify(payload))), jsonWith(KEYS, VALUES).map((value) => JSON.stringify(value)));

const words = fc.oneof(fc.constantFrom('shop', '0', 'one', '1h', '24h', '..', '%2e%2e', '%00', '%', '__proto__', 'toString', '-1', '1e3', '9'.repeat(400), 'ä', '//'), fc.string({ maxLength: 12 }).map(encodeURIComponent));
const paths = fc.oneof(
  fc.constantFrom('/', '/metrics', '/-/ready', '/api/v1/apps', '/api/v1/incidents', '/api/v1/advice', '/api/v1/http_sd', '/assets/web/page/style.css', '/openapi.json'),
  words.map((app) => `/api/v1/apps/${app}/history`),
  words.map((id) => `/api/v1/incidents/${id}`),
  fc.tuple(words, words).map(([id, file]) => `/api/v1/incidents/${id}/evidence/${file}`),
  fc.array(words, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
);
const queries = fc.array(fc.tuple(fc.oneof(fc.constantFrom('app', 'limit', 'range', 'worker', 'wait', 'app[]', '__proto__', 'name[]'), words), words), { maxLength: 4 }).map((pairs) => pairs.map((pair) => pair.join('=')).join('&'));

/** Where a fuzz run ends, so does its process; a test closes the server. */
export function http(teardown: (ending: () => unknown) => void): Target[] {
  const { server, warden } = serverOf({ teardown } as Parameters<typeof serverOf>[0]);
  return [
    target('webhook: any body', bodies, async (payload) => {
      const headers = { ...BEARER, 'content-type': 'application/json' };
      const { statusCode, body } = await server.inject({ method: 'POST', url: '/api/v1/alerts', headers, payload });
      assert.ok([202, 400, 413, 415].includes(statusCode), `${statusCode}: ${body}`);
      for (const webhook of warden.webhooks.splice(0)) {
        const requests = readAlerts(webhook);
        assert.equal(requests.length, webhook.alerts.length);
        for (const { kind, app, worker, alert } of requests) {
          assert.ok(app.length <= 200 && (worker ?? '').length <= 200);
          assert.ok(kind !== 'restart' || (app !== '' && Number.isFinite(alert.startsAtMs)));
          assert.ok(alert.endsAtMs === null || Number.isFinite(alert.endsAtMs));
        }
      }
    }),
    target('webhook: what was read is what was sent', fc.record({ alerts: fc.array(fc.record({ status: fc.constantFrom('firing', 'resolved'), labels: fc.dictionary(fc.constantFrom('app', 'worker', 'action', 'reason'), fc.string(), { noNullPrototype: true }), startsAt: fc.constantFrom('2026-01-01T00:00:00Z', 'soon'), fingerprint: fc.string({ maxLength: 200 }) }, { noNullPrototype: true }), { maxLength: 5 }) }, { noNullPrototype: true }), async (webhook: Webhook) => {
      const headers = { ...BEARER, 'content-type': 'application/json' };
      const { statusCode } = await server.inject({ method: 'POST', url: '/api/v1/alerts', headers, payload: JSON.stringify(webhook) });
      assert.equal(statusCode, 202);
      assert.deepEqual(JSON.parse(JSON.stringify(warden.webhooks.splice(0))), [webhook]);
    }),
    target('web: any path and query', fc.record({ path: paths, query: queries, token: fc.boolean() }), async ({ path, query, token }) => {
      const url = query === '' ? path : `${path}?${query}`;
      const { statusCode, body } = await server.inject({ url, headers: token ? BEARER : {} });
      assert.ok(statusCode < 500, `${statusCode}: ${body}`);
    }),
    target('web: any request for a restart or a pause', fc.record({ what: fc.constantFrom('restart', 'pause', 'resume'), app: words, body: bodies }), async ({ what, app, body: payload }) => {
      const headers = { ...BEARER, 'content-type': 'application/json' };
      const { statusCode, body } = await server.inject({ method: 'POST', url: `/api/v1/apps/${app}/${what}`, headers, payload });
      assert.ok(statusCode < 500, `${statusCode}: ${body}`);
      warden.requests.length = warden.pauses.length = 0;
    }),
  ];
}
