/**
 * deploy/kubernetes, as far as it can be tried without a cluster: by schema, by what must fit together, by heapwarden's
 * own check of its configs, and by what the operator's manifests are made from.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { alertmanagerSpec, type AlertmanagerFile } from '../../deploy/kubernetes/build/alertmanager-config.js';
import { manifests } from '../../deploy/kubernetes/build/manifests.js';
import { readSources } from '../../deploy/kubernetes/build/sources.js';
import { check } from '../../src/commands/check.js';
import { parseConfig } from '../../src/config/parse.js';
import { thisHost } from '../../src/config/paths.js';
import { defectsOf } from './kubernetes-schemas.js';

const folder = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith('.yml'));
const read = (file: string) => readFileSync(join(folder, file), 'utf8');

type Labels = Record<string, string>;
interface Container {
  name: string;
  command?: string[];
  args?: string[];
  env?: { name: string; value: string }[];
  ports?: { name: string; containerPort: number }[];
  startupProbe?: { httpGet: { path: string; port: string } };
  livenessProbe?: { httpGet: { path: string; port: string } };
  readinessProbe?: { httpGet: { path: string; port: string } };
  securityContext: Record<string, unknown> & { capabilities: { drop: string[]; add?: string[] } };
  resources: { limits: { memory: string } };
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
}
interface Pod {
  metadata: { labels: Labels };
  spec: {
    hostPID?: boolean;
    shareProcessNamespace?: boolean;
    securityContext?: { runAsUser: number; runAsNonRoot: boolean; fsGroup: number };
    initContainers?: Container[];
    containers: Container[];
    volumes: { name: string; configMap?: { name: string } }[];
  };
}
interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace: string; labels?: Labels };
  data?: Record<string, string>;
  spec: {
    selector: { matchLabels: Labels };
    template: Pod;
  };
}
interface Monitor {
  spec: {
    selector: { matchLabels?: Labels; matchExpressions?: { key: string }[] };
    namespaceSelector?: { matchNames: string[] };
    podMetricsEndpoints?: { port: string }[];
    endpoints?: { port: string }[];
  };
}
interface Rules {
  groups: object[];
}

const objectsIn = (file: string) => parseAllDocuments(read(file)).map((document) => document.toJS() as Manifest);
const all = files.flatMap(objectsIn);
const theOne = (kind: string, name: string): Manifest => {
  const [found, second] = all.filter((one) => one.kind === kind && one.metadata.name === name);
  if (!found || second) throw new Error(`not one ${kind} ${name}`);
  return found;
};
const workloads = ['Deployment', 'DaemonSet'].flatMap((kind) => all.filter((one) => one.kind === kind));
const configs = all.filter(({ kind }) => kind === 'ConfigMap');
const warden = ({ spec }: Pod) => spec.containers.find(({ name }) => name === 'heapwarden')!;
const includes = (labels: Labels, wanted: Labels) => Object.entries(wanted).every(([key, value]) => labels[key] === value);
const configOf = (pod: Pod) => {
  const text = theOne('ConfigMap', pod.spec.volumes.find(({ name }) => name === 'config')!.configMap!.name).data!['heapwarden.yml']!;
  return parseConfig(text, { ...thisHost({ RUNTIME_DIRECTORY: '/run/heapwarden', STATE_DIRECTORY: '/var/lib/heapwarden' }), file: 'heapwarden.yml' });
};

t.test('the manifests for the operator are what they are made of', async (t) => {
  for (const [file, text] of Object.entries(manifests(readSources()))) t.equal(read(file), text, `${file}: run \`npm run manifests\``);
});

t.test('every object is as its schema has it', async (t) => {
  for (const file of files) for (const one of objectsIn(file)) t.strictSame(defectsOf(one), [], `${file}: ${one.kind} ${one.metadata.name}`);
  const misspelt = JSON.parse(JSON.stringify(theOne('Deployment', 'shop')).replace('shareProcessNamespace', 'sharedProcessNamespace')) as Manifest;
  t.match(defectsOf(misspelt), [/\/spec\/template\/spec must NOT have additional properties/], 'a misspelt key is found');
  t.match(defectsOf({ apiVersion: 'apps/v1beta1', kind: 'Deployment' }), [/no schema/]);
});

t.test('heapwarden check accepts the configs, and has nothing to say about them', async (t) => {
  t.equal(configs.length, workloads.length);
  for (const { metadata, data } of configs) {
    const dir = t.testdir({ [`${metadata.name}.yml`]: data!['heapwarden.yml']! });
    const said: string[] = [];
    t.equal(await check(join(dir, `${metadata.name}.yml`), (line) => said.push(line)), 0, said.join('\n'));
    t.strictSame(said, ['the config is valid: shop (external)']);
  }
});

for (const { kind, metadata, spec: { selector, template } } of workloads) {
  t.test(`${kind} ${metadata.name}: its parts fit`, async (t) => {
    t.ok(includes(template.metadata.labels, selector.matchLabels), 'the selector finds the pods');
    const { containers, initContainers = [], volumes } = template.spec;
    const mounted = new Set<string>();
    for (const { name, ports = [], volumeMounts, ...container } of [...initContainers, ...containers]) {
      for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
        if (probe) t.ok(ports.some((one) => one.name === probe.httpGet.port), `${name}: the probe's port ${probe.httpGet.port}`);
      }
      for (const mount of volumeMounts) mounted.add(mount.name);
      t.equal(container.securityContext['readOnlyRootFilesystem'], true, name);
      t.equal(container.securityContext['allowPrivilegeEscalation'], false, name);
      t.strictSame(container.securityContext.capabilities.drop, ['ALL'], name);
    }
    t.strictSame([...mounted].toSorted(), volumes.map(({ name }) => name).toSorted(), 'every mount has its volume, and every volume a mount');

    const { args, ports, startupProbe, livenessProbe, volumeMounts } = warden(template);
    t.ok(args!.includes(`--web.listen-address=0.0.0.0:${ports![0]!.containerPort}`), 'it listens on the port that is scraped');
    t.equal(startupProbe!.httpGet.path, '/-/ready');
    t.equal(livenessProbe!.httpGet.path, '/-/healthy');
    const configFile = args!.find((one) => one.startsWith('--config.file='))!.slice('--config.file='.length);
    t.ok(volumeMounts.some((mount) => mount.name === 'config' && mount.mountPath === posix.dirname(configFile)), 'its config');
    const named = theOne('ConfigMap', volumes.find(({ name }) => name === 'config')!.configMap!.name);
    t.equal(named.metadata.namespace, metadata.namespace, 'in its own namespace');
    t.ok(named.data![posix.basename(configFile)]);
    const config = configOf(template);
    for (const folder of [posix.dirname(config.agent_socket), config.state_dir]) {
      t.ok(volumeMounts.some(({ mountPath, readOnly }) => mountPath === folder && !readOnly), `${folder} can be written`);
    }
    for (const { restart, supervisor } of config.apps) {
      t.strictSame(supervisor.external!.restart, { signal: 'SIGTERM' });
      t.ok(restart.cooldown >= 600_000, 'longer than the kubelet remembers a restart');
    }
  });
}

t.test('the sidecar finds the app, by one user, and reaches its agent', async (t) => {
  const { spec } = theOne('Deployment', 'shop').spec.template;
  const app = spec.containers.find(({ name }) => name === 'shop')!;
  const [init] = spec.initContainers!;
  const config = configOf({ metadata: { labels: {} }, spec });
  t.equal(spec.shareProcessNamespace, true);
  t.match(spec.securityContext, { runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 });
  for (const { name, securityContext } of spec.containers) t.equal(securityContext['runAsUser'], undefined, `${name}: the pod's user`);

  const match = new RegExp(config.apps[0]!.supervisor.external!.match!);
  const lineOf = ({ command = [], args = [] }: Container) => [...command, ...args].join(' ');
  t.match(lineOf(app), match);
  t.notMatch(lineOf(init!), match);
  t.notMatch(`node dist/cli.js ${lineOf(warden({ metadata: { labels: {} }, spec }))}`, match);
  t.notMatch('sh -c node server.js', match);

  const env = Object.fromEntries(app.env!.map(({ name, value }) => [name, value]));
  t.match(env, { HEAPWARDEN_SOCKET: config.agent_socket, HEAPWARDEN_APP: config.apps[0]!.name });
  const mountOf = (container: Container, volume: string) => container.volumeMounts.find(({ name }) => name === volume)?.mountPath;
  t.equal(mountOf(app, 'run'), posix.dirname(config.agent_socket));
  t.equal(mountOf(app, 'evidence'), posix.join(config.state_dir, 'evidence'), 'where heapwarden looks for it');
  t.equal(env['NODE_OPTIONS'], `--require=${mountOf(app, 'agent')}/index.cjs`);
  t.ok(config.apps[0]!.limits.rss!.restart! < bytes(app.resources.limits.memory) * 0.8, "room below the kernel's limit");
});

function bytes(quantity: string): number {
  const [, number, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity) ?? [];
  return Number(number) * { Mi: 2 ** 20, Gi: 2 ** 30 }[unit as 'Mi' | 'Gi'];
}

t.test('the agent works in the folder that the init container copies it to', async (t) => {
  const { command } = theOne('Deployment', 'shop').spec.template.spec.initContainers![0]!;
  const built = fileURLToPath(new URL('.', import.meta.resolve('heapwarden/agent')));
  const dir = mkdtempSync(join(tmpdir(), 'hw-k8s-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const [, flag, script] = command!;
  const here = script!.replace("'/app/dist/agent'", JSON.stringify(built)).replace("'/agent'", JSON.stringify(join(dir, 'agent')));
  execFileSync(process.execPath, [flag!, here]);
  const env = { NODE_OPTIONS: `--require=${join(dir, 'agent/index.cjs')}`, HEAPWARDEN_SOCKET: join(dir, 'none.sock') };
  writeFileSync(join(dir, 'server.js'), "console.log(Object.keys(require.cache).filter((path) => path.endsWith('/agent/index.cjs')).length)");
  t.equal(execFileSync(process.execPath, ['server.js'], { cwd: dir, env, encoding: 'utf8' }).trim(), '1');
});

t.test('the DaemonSet sees the node, and has one capability', async (t) => {
  const { spec } = theOne('DaemonSet', 'heapwarden').spec.template;
  const { securityContext } = spec.containers[0]!;
  t.equal(spec.hostPID, true);
  t.strictSame(securityContext.capabilities, { drop: ['ALL'], add: ['KILL'] });
  t.equal(securityContext['runAsUser'], 0, 'to whom alone capabilities are given');
});

t.test('the monitors find the pods, and by jobs that HeapwardenDown knows', async (t) => {
  const podMonitor = theOne('PodMonitor', 'heapwarden') as Manifest & Monitor;
  const [endpoint] = podMonitor.spec.podMetricsEndpoints!;
  for (const { metadata, spec: { template } } of workloads) {
    for (const { key } of podMonitor.spec.selector.matchExpressions!) t.ok(key in template.metadata.labels, metadata.name);
    t.ok(podMonitor.spec.namespaceSelector!.matchNames.includes(metadata.namespace), metadata.namespace);
    t.equal(warden(template).ports![0]!.name, endpoint!.port);
  }
  const service = theOne('Service', 'heapwarden') as unknown as {
    metadata: { name: string; namespace: string; labels: Labels };
    spec: { selector: Labels; ports: { name: string; port: number; targetPort: string }[] };
  };
  const serviceMonitor = theOne('ServiceMonitor', 'heapwarden') as Manifest & Monitor;
  t.ok(includes(service.metadata.labels, serviceMonitor.spec.selector.matchLabels!));
  t.equal(service.metadata.namespace, serviceMonitor.metadata.namespace);
  const [{ name, port, targetPort } = { name: '', port: 0, targetPort: '' }] = service.spec.ports;
  t.equal(serviceMonitor.spec.endpoints![0]!.port, name);
  const { template } = theOne('Deployment', 'shop').spec;
  t.ok(includes(template.metadata.labels, service.spec.selector));
  t.notOk(includes(theOne('DaemonSet', 'heapwarden').spec.template.metadata.labels, service.spec.selector));
  t.equal(warden(template).ports![0]!.name, targetPort);

  const [webhook] = receivers()[0]!.webhookConfigs!;
  t.equal(webhook!.url, `http://${service.metadata.name}.${service.metadata.namespace}.svc:${port}/api/v1/alerts`);
  // A PodMonitor's job is namespace/name, a ServiceMonitor's the name of the Service.
  for (const job of [`shop/${podMonitor.metadata.name}`, service.metadata.name]) t.match(job, /^.*heapwarden.*$/);
});

const receivers = () => (theOne('AlertmanagerConfig', 'heapwarden').spec as unknown as ReturnType<typeof alertmanagerSpec>).receivers;

t.test('PrometheusRule: every expression is the one that promtool has tested', async (t) => {
  const sources = readSources();
  t.ok(Object.keys(sources.rules).length >= 2);
  for (const [name, text] of Object.entries(sources.rules)) {
    const { groups } = theOne('PrometheusRule', name).spec as unknown as Rules;
    t.strictSame(groups, (parse(text) as Rules).groups.map((group) => ({ ...group, interval: '5s' })), name);
  }
});

t.test('AlertmanagerConfig of the DaemonSet: people are told all but what a node cannot know', async (t) => {
  type Spec = ReturnType<typeof alertmanagerSpec>;
  const { metadata, spec } = theOne('AlertmanagerConfig', 'heapwarden-node');
  t.equal(metadata.namespace, theOne('DaemonSet', 'heapwarden').metadata.namespace, 'whose alerts alone it matches');
  const own = spec as unknown as Spec;
  t.strictSame(own.inhibitRules, (theOne('AlertmanagerConfig', 'heapwarden').spec as unknown as Spec).inhibitRules);
  t.strictSame(own.receivers, [{ name: 'people' }, { name: 'nobody' }], 'no webhook');
  const [unknowable, ...others] = own.route.routes!;
  t.strictSame([own.route.receiver, unknowable!.receiver, others], ['people', 'nobody', []]);
  const [matcher, ...more] = unknowable!.matchers!;
  t.strictSame([matcher!.name, matcher!.matchType, more], ['alertname', '=~', []]);
  const pattern = new RegExp(`^(?:${matcher!.value})$`); // as Alertmanager anchors it
  const alerts = [...readSources().rules['heapwarden']!.matchAll(/- alert: (\w+)/g)].map(([, alert]) => alert!);
  t.strictSame(alerts.filter((alert) => pattern.test(alert)), ['HeapwardenAppDown', 'HeapwardenWorkerDown']);
});

t.test('AlertmanagerConfig: says what deploy/alertmanager.yml does, and refuses what it cannot say', async (t) => {
  const source = parse(readSources().alertmanager) as AlertmanagerFile;
  const spec = theOne('AlertmanagerConfig', 'heapwarden').spec as unknown as ReturnType<typeof alertmanagerSpec>;
  type Matchers = (typeof spec.inhibitRules)[number]['sourceMatch'];
  const written = (matchers: Matchers) => matchers.map(({ name, matchType, value }) => `${name}${matchType}"${value}"`);
  t.strictSame(
    spec.inhibitRules.map(({ sourceMatch, targetMatch, equal }) => ({
      source_matchers: written(sourceMatch), target_matchers: written(targetMatch), equal,
    })),
    source.inhibit_rules,
  );
  const [restart, people] = spec.route.routes!;
  t.strictSame(written(restart!.matchers!), ['action="restart"']);
  t.match(restart, { receiver: 'heapwarden', groupBy: ['instance', 'app', 'worker'], groupWait: '0s', continue: true });
  t.strictSame(people, { receiver: 'people' });
  t.match(receivers()[0]!.webhookConfigs![0], { sendResolved: true, httpConfig: { authorization: { type: 'Bearer' } } });

  const target = { host: 'h:1', secret: { name: 's', key: 'k' } };
  const refuses = (change: object, why: RegExp) => t.throws(() => alertmanagerSpec({ ...source, ...change }, target), why);
  refuses({ templates: ['x'] }, /no words for templates/);
  refuses({ route: { ...source.route, mute_time_intervals: ['night'] } }, /no words for mute_time_intervals/);
  refuses({ route: { ...source.route, matchers: ['action=restart'] } }, /not a matcher/);
  refuses({ receivers: [{ name: 'people', email_configs: [] }] }, /no words for email_configs/);
});
