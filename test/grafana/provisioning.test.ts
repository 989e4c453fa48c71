/** The files for Grafana's provisioning, by https://grafana.com/docs/grafana/latest/administration/provisioning/ */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import { FILES, modelOf } from './model.js';

const read = (file: string): unknown => parse(readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8'));
const strangers = (found: object, known: readonly string[]): string[] => Object.keys(found).filter((key) => !known.includes(key));

/** As that page names them, for all data sources and for Prometheus. */
const DATASOURCE_KEYS = [
  'name', 'type', 'access', 'orgId', 'uid', 'url', 'user', 'database', 'basicAuth', 'basicAuthUser', 'withCredentials',
  'isDefault', 'jsonData', 'secureJsonData', 'version', 'editable',
];
const PROMETHEUS_KEYS = ['httpMethod', 'timeInterval', 'prometheusType', 'prometheusVersion', 'customQueryParameters', 'manageAlerts', 'cacheLevel'];
const PROVIDER_KEYS = [
  'name', 'orgId', 'folder', 'folderUid', 'type', 'disableDeletion', 'updateIntervalSeconds', 'allowUiUpdates', 'options',
];

interface Datasource {
  name: string;
  uid: string;
  type: string;
  access: string;
  url: string;
  isDefault: boolean;
  jsonData: Record<string, unknown>;
}

t.test('the data source', async (t) => {
  const file = read('grafana/provisioning/datasources/heapwarden.yml') as { apiVersion: number; datasources: Datasource[] };
  t.strictSame([file.apiVersion, strangers(file, ['apiVersion', 'datasources', 'deleteDatasources', 'prune'])], [1, []]);
  t.equal(file.datasources.length, 1);
  const [source] = file.datasources as [Datasource];
  t.strictSame(strangers(source, DATASOURCE_KEYS), []);
  t.strictSame(strangers(source.jsonData, PROMETHEUS_KEYS), []);
  t.match(source, { type: 'prometheus', access: 'proxy', url: 'http://127.0.0.1:9090', isDefault: false });
  t.match(source.uid, /^[\w-]{1,40}$/);
  const prometheus = read('deploy/prometheus.yml') as { global: { scrape_interval: string } };
  t.equal(source.jsonData['timeInterval'], prometheus.global.scrape_interval, 'or $__rate_interval is wrong');
});

t.test('the dashboards', async (t) => {
  const file = read('grafana/provisioning/dashboards/heapwarden.yml') as {
    apiVersion: number;
    providers: { name: string; type: string; folder: string; options: Record<string, unknown> }[];
  };
  t.strictSame([file.apiVersion, strangers(file, ['apiVersion', 'providers'])], [1, []]);
  t.equal(file.providers.length, 1);
  const [provider] = file.providers;
  t.strictSame(strangers(provider!, PROVIDER_KEYS), []);
  t.strictSame(strangers(provider!.options, ['path', 'foldersFromFilesStructure']), []);
  t.match(provider, { type: 'file', folder: 'heapwarden', options: { path: /^\/var\/lib\// } });
  const models = FILES.map(modelOf);
  t.equal(new Set(models.map(({ uid }) => uid)).size, FILES.length, 'two dashboards of one uid overwrite each other');
  t.equal(new Set(models.map(({ title }) => title)).size, FILES.length, 'nor may they have one title in one folder');
});

t.test('they are in the package', async (t) => {
  const { files } = read('package.json') as { files: string[] };
  t.ok(files.includes('grafana/*.json') && files.includes('grafana/provisioning'));
});
