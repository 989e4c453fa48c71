/**
 * The files of deploy/docker, as far as they can be tried without a registry: compose.yml by its own logic (no docker
 * compose is on the test machines), the Dockerfile by what it takes from the repository.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import { noticesOf, unsupportedIn } from '../../src/config/notices.js';
import { parseConfig } from '../../src/config/parse.js';
import { thisHost } from '../../src/config/paths.js';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const folder = join(repository, 'deploy/docker');
const read = (name: string) => readFileSync(join(folder, name), 'utf8');

interface Volume {
  source: string;
  target: string;
}

interface Service {
  image: string;
  build?: { context: string; dockerfile: string };
  command?: string[];
  entrypoint?: string[];
  depends_on?: string[];
  labels?: Record<string, string>;
  environment?: Record<string, string>;
  network_mode?: string;
  pid?: string;
  user?: string;
  volumes?: (string | Volume)[];
}

interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, null>;
}

const compose = parse(read('compose.yml'), { merge: true }) as Compose;
const mountsOf = ({ volumes = [] }: Service): Volume[] =>
  volumes.map((volume) => {
    if (typeof volume !== 'string') return volume;
    const [source = '', target = ''] = volume.split(':');
    return { source, target };
  });

t.test('compose: what is named is there', async (t) => {
  for (const [name, service] of Object.entries(compose.services)) {
    t.equal(service.network_mode, 'host', `${name} listens on loopback, as deploy/*.yml have it`);
    t.match(service.image, /^heapwarden$|:v?\d+\.\d+\.\d+$/, `${name}: an image that does not change by itself`);
    for (const { source } of mountsOf(service)) {
      if (source === '/var/run/docker.sock') continue;
      const isThere = source.startsWith('.') ? existsSync(resolve(folder, source)) : source in compose.volumes;
      t.ok(isThere, `${name}: ${source}`);
    }
    for (const other of service.depends_on ?? []) t.ok(other in compose.services, `${name}: ${other}`);
  }
  const { context, dockerfile } = compose.services['heapwarden']!.build!;
  t.equal(resolve(folder, context, dockerfile), join(folder, 'Dockerfile'));
});

t.test('compose: its parts find each other', async (t) => {
  const { heapwarden, 'leaky-shop': shop, prometheus, alertmanager } = compose.services as Record<string, Service & object>;
  const config = parseConfig(read('heapwarden.yml'), { ...thisHost({ RUNTIME_DIRECTORY: '/run/heapwarden' }), file: 'heapwarden.yml' });
  t.strictSame([...unsupportedIn(config), ...noticesOf(config)], []);
  const [app] = config.apps;
  t.strictSame(app!.supervisor.docker, { label: `com.example.app=${shop!.labels!['com.example.app']}` });
  t.equal(heapwarden!.pid, 'host');
  t.ok(mountsOf(heapwarden!).some(({ target }) => target === '/etc/heapwarden/heapwarden.yml'));
  t.ok(heapwarden!.command!.includes('--config.file=/etc/heapwarden/heapwarden.yml'));

  const agentsOf = (service: Service) => mountsOf(service).find(({ source }) => source === 'agents')!.target;
  t.equal(shop!.environment!['HEAPWARDEN_SOCKET'], config.agent_socket, 'the socket of the warden');
  t.equal(posix.dirname(config.agent_socket), agentsOf(heapwarden!));
  t.equal(agentsOf(shop!), agentsOf(heapwarden!));
  const evidenceOf = (service: Service) => mountsOf(service).find(({ source }) => source === 'evidence')!.target;
  t.equal(evidenceOf(heapwarden!), posix.join('/var/lib/heapwarden', 'evidence'));
  t.equal(evidenceOf(shop!), evidenceOf(heapwarden!), 'the agent writes where heapwarden looks');
  t.ok(shop!.entrypoint!.includes('/app/dist/agent/index.cjs'), 'the agent in the image');

  const argument = (service: Service, name: string) => service.command!.find((text) => text.startsWith(`${name}=`))!.slice(name.length + 1);
  const promFile = argument(prometheus!, '--config.file');
  const rules = (parse(readFileSync(join(repository, 'deploy/prometheus.yml'), 'utf8')) as { rule_files: string[] }).rule_files;
  for (const file of rules) {
    const inside = posix.resolve(posix.dirname(promFile), file);
    const mount = mountsOf(prometheus!).find(({ target }) => inside.startsWith(`${target}/`))!;
    t.ok(existsSync(join(resolve(folder, mount.source), inside.slice(mount.target.length))), `${file}, where Prometheus looks for it`);
  }
  const token = mountsOf(heapwarden!).find(({ target }) => target === '/var/lib/heapwarden')!.source;
  const beside = mountsOf(alertmanager!).find(({ target }) => target === dirname(argument(alertmanager!, '--config.file')))!.source;
  t.equal(token, beside, 'the token stands beside the config of Alertmanager');
  t.match(read('Dockerfile'), new RegExp(`^USER ${alertmanager!.user}$`, 'm'), 'and is readable by its user');
});

t.test('compose: Grafana finds data source and dashboards where its provisioning says', async (t) => {
  const grafana = compose.services['grafana']!;
  const hostPath = (inside: string) => {
    const mount = mountsOf(grafana).find(({ target }) => inside === target || inside.startsWith(`${target}/`));
    return mount ? join(resolve(folder, mount.source), inside.slice(mount.target.length)) : null;
  };
  const provisioned = (file: string) => readFileSync(hostPath(`/etc/grafana/provisioning/${file}`)!, 'utf8');
  const { datasources } = parse(provisioned('datasources/heapwarden.yml')) as { datasources: { url: string }[] };
  const listens = compose.services['prometheus']!.command!.find((text) => text.startsWith('--web.listen-address='))!;
  t.equal(datasources[0]!.url, `http://${listens.slice('--web.listen-address='.length)}`);
  const { providers } = parse(provisioned('dashboards/heapwarden.yml')) as { providers: { options: { path: string } }[] };
  const dashboards = readdirSync(hostPath(providers[0]!.options.path)!).filter((name) => name.endsWith('.json'));
  t.ok(dashboards.includes('heapwarden-overview.json'), dashboards.join());
});

t.test('Dockerfile: all that it copies is in its context, and no more than one process of one user runs', async (t) => {
  const lines = read('Dockerfile').replaceAll('\\\n', ' ').split('\n');
  const allowed = readFileSync(join(repository, '.dockerignore'), 'utf8').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  const copied = lines.filter((line) => /^COPY (?!--from)/.test(line)).flatMap((line) => line.split(/\s+/).slice(1, -1));
  t.strictSame(copied.toSorted(), allowed.toSorted());
  for (const path of copied) t.ok(existsSync(join(repository, path)), path);
  t.ok(lines.some((line) => line.startsWith('RUN npm run build')), 'built as everywhere else, with the status page');
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
  t.notMatch(last.join('\n'), /npm (ci|install)|apt-get|apk add/, 'nothing is installed in the image itself');
  t.match(last.find((line) => line.startsWith('USER '))!, /^USER [1-9]/, 'not root');
  const entry = JSON.parse(last.find((line) => line.startsWith('ENTRYPOINT '))!.slice('ENTRYPOINT '.length)) as string[];
  t.strictSame(entry, ['node', 'dist/cli.js']);
  t.equal(basename((JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { bin: { heapwarden: string } }).bin.heapwarden), 'cli.js');
});
