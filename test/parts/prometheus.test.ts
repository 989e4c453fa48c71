/** The harness of the integration tests, on the shipped configs and without a warden. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { needParts } from './index.js';
import { freePort, startAlertmanager, startPrometheus, type Prometheus, type Server } from './prometheus.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const prometheusConfig = join(root, 'deploy/prometheus.yml');
const alertmanagerConfig = join(root, 'deploy/alertmanager.yml');

const answers = (url: string) => fetch(url).then(() => true, () => false);

async function addresses(prometheus: Prometheus): Promise<string[]> {
  const { data: targets } = (await prometheus.get('/api/v1/targets')) as {
    data: { activeTargets: { scrapeUrl: string }[] };
  };
  const { data: managers } = (await prometheus.get('/api/v1/alertmanagers')) as {
    data: { activeAlertmanagers: { url: string }[] };
  };
  return [
    ...targets.activeTargets.map(({ scrapeUrl }) => scrapeUrl),
    ...managers.activeAlertmanagers.map(({ url }) => url),
  ];
}

async function endsFor(t: Test, server: Server): Promise<void> {
  await server.stop();
  await server.stop();
  t.notOk(existsSync(`/proc/${server.pid}`), 'its process has gone');
  t.notOk(await answers(server.url), 'nobody listens there');
}

t.test('Prometheus with the shipped config', async (t) => {
  if (!needParts(t, 'prometheus')) return;
  const options = { configFile: prometheusConfig, dir: t.testdir(), port: await freePort() };
  const prometheus = await startPrometheus(options);
  t.teardown(() => prometheus.stop());

  const { data } = (await prometheus.get('/api/v1/rules')) as { data: { groups: { file: string }[] } };
  t.same([...new Set(data.groups.map(({ file }) => file))], [join(root, 'rules/heapwarden.rules.yml')]);
  // Prometheus comes to its targets and Alertmanagers up to 5 s after it is ready.
  for (const end = Date.now() + 30_000; (await addresses(prometheus)).length < 2 && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  t.same(await addresses(prometheus), ['http://127.0.0.1:9973/metrics', 'http://127.0.0.1:9093/api/v2/alerts']);
  t.match(await prometheus.query('vector(42)'), [{ metric: {}, value: [Number, '42'] }]);
  t.same(await prometheus.alerts(), []);
  await t.rejects(prometheus.query('not promql'), /400 .*parse error/);
  t.match(prometheus.log(), 'Server is ready');

  await endsFor(t, prometheus);
});

t.test('Alertmanager with the shipped config', async (t) => {
  if (!needParts(t, 'prometheus-alertmanager')) return;
  const options = { configFile: alertmanagerConfig, dir: t.testdir(), port: await freePort() };
  const alertmanager = await startAlertmanager(options);
  t.teardown(() => alertmanager.stop());

  const { cluster, config } = (await alertmanager.get('/api/v2/status')) as {
    cluster: { status: string };
    config: { original: string };
  };
  t.equal(cluster.status, 'disabled');
  t.match(config.original, 'url: http://127.0.0.1:9973/api/v1/alerts');
  t.same(await alertmanager.alerts(), []);

  await endsFor(t, alertmanager);
});

t.test('a config that is wrong', async (t) => {
  if (!needParts(t, 'prometheus', 'prometheus-alertmanager')) return;
  const dir = t.testdir({ 'wrong.yml': 'no_such_key: 1\n' });
  const options = { configFile: join(dir, 'wrong.yml'), dir, port: await freePort() };
  const told = /did not become ready: it ended with exit status \d[^]*no_such_key/;
  await t.rejects(startPrometheus(options), told);
  await t.rejects(startAlertmanager(options), told);
});
