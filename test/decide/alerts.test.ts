import t from 'tap';
import { readAlerts, type Webhook } from '../../src/decide/alerts.js';
import { ALERTMANAGER, GRAFANA } from './payloads.js';

type Alert = Webhook['alerts'][number];

const read = (changes: Partial<Alert>) => {
  const [alert] = ALERTMANAGER.alerts;
  const [request, ...others] = readAlerts({ alerts: [{ ...alert!, ...changes }] });
  t.strictSame(others, []);
  return request!;
};
const labels = (change: Record<string, string>, ...without: string[]): Record<string, string> => {
  const all = Object.entries({ ...ALERTMANAGER.alerts[0]!.labels, ...change });
  return Object.fromEntries(all.filter(([name]) => !without.includes(name)));
};

t.test('what Alertmanager 0.25 sends', async (t) => {
  t.strictSame(readAlerts(ALERTMANAGER), [
    {
      kind: 'restart',
      app: 'shop',
      worker: '1',
      resource: 'rss',
      alert: {
        fingerprint: '1a30ba71cca2921f',
        startsAtMs: Date.UTC(2026, 10, 20, 23, 36, 58, 123),
        endsAtMs: null, // the zero time: no end yet
      },
    },
    {
      kind: 'resolved',
      app: 'shop',
      worker: '1',
      resource: 'heap',
      alert: {
        fingerprint: '9bb41d3ac3f6c2ad',
        startsAtMs: Date.UTC(2026, 10, 20, 23, 30),
        endsAtMs: Date.UTC(2026, 10, 20, 23, 35, 10),
      },
    },
  ]);
});

t.test('what Grafana sends', async (t) => {
  const startsAtMs = Date.UTC(2026, 10, 20, 23, 2, 3, 157);
  t.strictSame(readAlerts(GRAFANA), [
    {
      kind: 'restart',
      app: 'shop',
      worker: null,
      resource: null,
      alert: { fingerprint: 'c6eadffa33fcdf37', startsAtMs, endsAtMs: null },
    },
  ]);
});

t.test('an alert asks for a restart by action="restart" alone', async (t) => {
  t.equal(read({ labels: labels({}, 'action') }).kind, 'ignored');
  t.equal(read({ labels: labels({ action: 'page' }) }).kind, 'ignored');
  t.equal(read({ labels: {} }).kind, 'ignored');
  t.equal(read({ status: 'resolved', labels: {} }).kind, 'resolved');
});

t.test('what cannot be acted upon is invalid, and harms no other alert', async (t) => {
  t.equal(read({ labels: labels({}, 'app') }).kind, 'invalid');
  t.equal(read({ labels: labels({ app: '' }) }).kind, 'invalid');
  t.equal(read({ startsAt: 'yesterday' }).kind, 'invalid');
  t.equal(read({ startsAt: '' }).kind, 'invalid');
  t.equal(read({ status: 'pending' }).kind, 'invalid');
  const [first] = ALERTMANAGER.alerts;
  t.strictSame(
    readAlerts({ alerts: [{ ...first!, startsAt: 'now' }, first!] }).map(({ kind }) => kind),
    ['invalid', 'restart'],
  );
});

t.test('a missing label means: all workers, whatever resource', async (t) => {
  t.match(read({ labels: labels({}, 'worker') }), { kind: 'restart', worker: null, resource: 'rss' });
  t.match(read({ labels: labels({}, 'reason') }), { kind: 'restart', worker: '1', resource: null });
  t.match(read({ labels: labels({ reason: 'manual' }) }), { resource: null }, 'an alert is no person');
  t.match(read({ labels: labels({ reason: 'toString' }) }), { resource: null });
});

t.test('an end counts where it is one', async (t) => {
  t.equal(read({ endsAt: '2026-11-21T00:00:00Z' }).alert.endsAtMs, Date.UTC(2026, 10, 21));
  t.equal(read({ endsAt: 'never' }).alert.endsAtMs, null);
  t.equal(read({ endsAt: ALERTMANAGER.alerts[0]!.startsAt }).alert.endsAtMs, null, 'no later than its beginning');
  const { endsAt: _, ...endless } = ALERTMANAGER.alerts[0]!;
  t.equal(readAlerts({ alerts: [endless] })[0]!.alert.endsAtMs, null);
});

t.test('no alert, no request', async (t) => t.strictSame(readAlerts({ alerts: [] }), []));
