import t from 'tap';
import { parseConfig } from '../../src/config/parse.js';
import { metricsTargetsOf } from '../../src/publish/service-discovery.js';

const groupsOf = (...urls: string[]) =>
  metricsTargetsOf(
    parseConfig(urls.map((url, i) => `  - { name: a${i}, supervisor: { pm2: a${i} }, metrics: "${url}" }`).reduce((text, line) => `${text}${line}\n`, 'apps:\n'), {
      file: '/etc/heapwarden.yml',
    }).apps,
  );

t.test('one group for each app that has metrics', async (t) => {
  t.strictSame(groupsOf('http://127.0.0.1:3000/metrics', 'https://web-1.internal/internal/prom?format=text&x=1', 'http://[::1]:80'), [
    { targets: ['127.0.0.1:3000'], labels: { app: 'a0', __scheme__: 'http', __metrics_path__: '/metrics' } },
    {
      targets: ['web-1.internal:443'],
      labels: { app: 'a1', __scheme__: 'https', __metrics_path__: '/internal/prom', __param_format: 'text', __param_x: '1' },
    },
    { targets: ['[::1]:80'], labels: { app: 'a2', __scheme__: 'http', __metrics_path__: '/' } },
  ]);
});

t.test('no app says where, no group', async (t) => {
  t.strictSame(metricsTargetsOf(parseConfig('apps: [{ name: a, supervisor: { pm2: a } }]', { file: 'x.yml' }).apps), []);
});

t.test('what is no URL is no target', async (t) => {
  t.throws(() => groupsOf('localhost:3000/metrics'), { code: 'CONFIG_INVALID', message: /is not an http or https URL/ });
});
