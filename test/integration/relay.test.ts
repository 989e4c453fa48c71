/**
 * A fleet: two wardens, a relay, a Prometheus and two Alertmanagers that are a cluster, all of them real. Configs and
 * rules are the shipped ones with shorter times.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { needParts } from '../parts/index.js';
import { freePort, startAlertmanager, startPrometheus, type Alertmanager } from '../parts/prometheus.js';
import { edit } from './edit.js';
import { spawnPlain } from './plain-node.js';
import { never, waitFor } from './wait.js';
import { CLI, WardenProcess, appFile } from './warden-process.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const HOLD_S = 4;
const PATIENCE_MS = 60_000;

const heapwardenYml = (leakFile: string) => `
trigger: alertmanager
sample_interval: 500ms
apps:
  - name: shop
    supervisor:
      child:
        command: ${JSON.stringify([process.execPath, appFile('leaks-on-word.mjs')])}
        env: { LEAK_WHEN: ${JSON.stringify(leakFile)} }
    limits: { rss: { restart: 130MB, for: ${HOLD_S}s } }
    restart: { startup_grace: 0s, cooldown: 0s, budget: 100/1h }
`;

/** A warden with an app that leaks as soon as the file `leak` is in `dir`. */
async function startWarden(t: Test, dir: string): Promise<WardenProcess> {
  const warden = await WardenProcess.start(t, { config: heapwardenYml(join(dir, 'leak')), dir });
  return warden.ready();
}

interface RelayProcess {
  url: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  metric(series: string): Promise<number>;
}

async function startRelay(t: Test, configFile: string, port: number): Promise<RelayProcess> {
  const url = `http://127.0.0.1:${port}`;
  let log = '';
  let child: ReturnType<typeof spawnPlain> | null = null;
  const stop = async (): Promise<void> => {
    const running = child;
    child = null;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await gone;
  };
  const start = async (): Promise<void> => {
    const started = spawnPlain([CLI, 'relay', `--config.file=${configFile}`]);
    started.stderr.on('data', (text: Buffer) => (log += String(text)));
    child = started;
    await waitFor('the relay to be ready', () => {
      if (started.exitCode !== null) throw new Error(`the relay has ended:\n${log}`);
      return fetch(`${url}/-/ready`).then(({ ok }) => ok, () => false);
    }, PATIENCE_MS);
  };
  t.teardown(async () => {
    await stop();
    if (!t.passing()) t.comment(log);
  });
  await start();
  const metric = async (series: string) => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
    return Number(line?.slice(series.length) ?? Number.NaN);
  };
  return { url, stop, start, metric };
}

async function startCluster(t: Test, dir: string, configFile: string): Promise<Alertmanager[]> {
  const [first, second] = [await freePort(), await freePort()];
  const servers: Alertmanager[] = [];
  for (const [name, cluster] of Object.entries({ a: { port: first }, b: { port: second, peerPort: first } })) {
    mkdirSync(join(dir, name));
    const server = await startAlertmanager({ configFile, dir: join(dir, name), port: await freePort(), cluster });
    t.teardown(() => server.stop());
    servers.push(server);
  }
  const peers = async (server: Alertmanager) =>
    ((await server.get('/api/v2/status')) as { cluster: { peers: unknown[] } }).cluster.peers.length;
  await waitFor('the two to be one cluster', async () => (await Promise.all(servers.map(peers))).every((count) => count === 2), PATIENCE_MS);
  return servers;
}

t.test('one restart for each leak, through a cluster and a relay', { timeout: 170_000 }, async (t) => {
  if (!needParts(t, 'prometheus', 'prometheus-alertmanager')) return;
  const dir = mkdtempSync(join(tmpdir(), 'hw-fleet-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  for (const folder of ['deploy', 'deploy/tokens', 'a-machine', 'b-machine']) mkdirSync(join(dir, folder));
  for (const file of ['deploy/prometheus.yml', 'deploy/alertmanager-relay.yml', 'rules']) {
    cpSync(join(root, file), join(dir, file), { recursive: true });
  }
  const [a, b] = [await startWarden(t, join(dir, 'a-machine')), await startWarden(t, join(dir, 'b-machine'))];
  const nameOf = (warden: WardenProcess) => `127.0.0.1:${warden.port}`;
  for (const warden of [a, b]) writeFileSync(join(dir, 'deploy/tokens', nameOf(warden)), warden.token);
  writeFileSync(join(dir, 'deploy/wardens.yml'), JSON.stringify([{ targets: [a, b].map(nameOf) }]));

  const [relayPort, secondPort] = [await freePort(), await freePort()];
  const relayYml = (name: string, port: number): string => {
    const file = join(dir, 'deploy', `${name}.yml`);
    cpSync(join(root, 'deploy/relay.yml'), file);
    edit(file, {
      '127.0.0.1:9974': `127.0.0.1:${port}`,
      '# state_dir: /var/lib/heapwarden-relay ': `state_dir: ${join(dir, name)} `,
      'min_up: 50%': 'min_up: 50%, refresh_interval: 500ms',
    });
    return file;
  };
  const relay = await startRelay(t, relayYml('relay', relayPort), relayPort);

  const alertmanagerYml = join(dir, 'deploy/alertmanager-relay.yml');
  edit(alertmanagerYml, { '127.0.0.1:9974': `127.0.0.1:${relayPort}`, 'group_interval: 5s': 'group_interval: 1s', 'repeat_interval: 5m': 'repeat_interval: 5s' });
  const cluster = await startCluster(t, dir, alertmanagerYml);
  edit(join(dir, 'rules/heapwarden.rules.yml'), { 'for: 30s': `for: ${HOLD_S}s` });
  const prometheusYml = join(dir, 'deploy/prometheus.yml');
  edit(prometheusYml, {
    'scrape_interval: 5s': 'scrape_interval: 1s',
    'evaluation_interval: 5s': 'evaluation_interval: 1s',
    "targets: ['127.0.0.1:9093']": `targets: ${JSON.stringify(cluster.map(({ url }) => new URL(url).host))}`,
    "    static_configs:\n      - targets: ['127.0.0.1:9973']": '    file_sd_configs:\n      - files: [wardens.yml]',
  });
  const prometheus = await startPrometheus({ configFile: prometheusYml, dir, port: await freePort() });
  t.teardown(() => prometheus.stop());
  const seen = () => prometheus.query('heapwarden_process_resident_memory_bytes');
  await waitFor('Prometheus to have seen both apps', async () => (await seen()).length === 2, PATIENCE_MS);

  await t.test('of two machines that leak at the same time, and each hears of its own', async (t) => {
    const before = await Promise.all([a.pid('shop'), b.pid('shop')]);
    for (const machine of ['a-machine', 'b-machine']) writeFileSync(join(dir, machine, 'leak'), '');
    const restarts = await Promise.all([a, b].map((warden) => warden.finishedRestart(PATIENCE_MS)));
    for (const [i, restart] of restarts.entries()) {
      t.match(restart, { origin: 'alertmanager', reason: 'rss', outcome: { result: 'recovered' }, before: { pid: before[i] } });
    }
    const [first, second] = restarts.toSorted((one, other) => one.timestamp_seconds - other.timestamp_seconds);
    t.ok(second!.timestamp_seconds >= first!.outcome!.timestamp_seconds, 'the brake let one go after the other');
    const isOver = async () => (await Promise.all(cluster.map((server) => server.alerts()))).flat().length === 0;
    await waitFor('the alerts to be over', isOver, PATIENCE_MS);
    t.equal((await a.restarts()).length + (await b.restarts()).length, 2);
  });

  await t.test('with the relay killed while the alert is on its way, and both Alertmanagers sending it', async (t) => {
    await relay.stop();
    const pid = await b.pid('shop');
    writeFileSync(join(dir, 'b-machine/leak'), '');
    const isFiring = async (server: Alertmanager) => (await server.alerts()).some(({ labels }) => labels['action'] === 'restart');
    await waitFor('both to have the alert', async () => (await Promise.all(cluster.map(isFiring))).every(Boolean), PATIENCE_MS);
    await relay.start();
    await waitFor('the restart', async () => (await b.restarts()).length === 2 && (await b.restarts()).every(({ outcome }) => outcome), PATIENCE_MS);
    t.not(await b.pid('shop'), pid);

    // The same word once more, by hand: as another relay would bring it.
    const [{ alert } = { alert: null }] = await b.restarts();
    const webhook = {
      alerts: [{
        status: 'firing',
        labels: { action: 'restart', reason: 'rss', app: 'shop', worker: '0', instance: nameOf(b) },
        startsAt: new Date(alert!.starts_at_seconds * 1000).toISOString(),
        fingerprint: alert!.fingerprint,
      }],
    };
    t.match((await b.post('/api/v1/alerts', webhook)).body, { alerts: [{ decision: /^(duplicate|already_restarted)$/ }] });
    await never('it is restarted again', async () => (await b.restarts()).length > 2, 8000);
    t.equal((await a.restarts()).length, 1, 'and the other machine has nothing to do with it');
    await waitFor('the queue to be empty', async () => (await relay.metric('heapwarden_relay_queue_length')) === 0, PATIENCE_MS);
    t.equal(await relay.metric('heapwarden_relay_undeliverable_alerts_total{cause="unknown_instance"}'), 0);
  });

  await t.test('with two relays, each of which both Alertmanagers tell', async (t) => {
    const second = await startRelay(t, relayYml('second', secondPort), secondPort);
    const receiver = /( +- url: http:\/\/127\.0\.0\.1:)\d+(\/api\/v1\/alerts\n +send_resolved: true\n +http_config:\n +authorization:\n(?: +#.*\n)* +credentials_file: relay-token\n)/;
    const text = readFileSync(alertmanagerYml, 'utf8');
    if (!receiver.test(text)) throw new Error('the receiver is written otherwise');
    writeFileSync(alertmanagerYml, text.replace(receiver, (one, before: string, after: string) => one + before + secondPort + after));
    for (const { url } of cluster) t.equal((await fetch(`${url}/-/reload`, { method: 'POST' })).status, 200);
    writeFileSync(join(dir, 'a-machine/leak'), '');
    await waitFor('the restart', async () => (await a.restarts()).length === 2 && (await a.restarts()).every(({ outcome }) => outcome), PATIENCE_MS);
    const answers = () => a.metrics().then((metrics) => metrics.split('\n').filter((line) => line.startsWith('heapwarden_alerts_received_total{')));
    const told = async (decision: string) => Number((await answers()).find((line) => line.includes(`"${decision}"`))?.split(' ').at(-1) ?? 0);
    await waitFor('the other word of it', async () => (await told('duplicate')) + (await told('already_restarted')) + (await told('in_progress')) > 0, PATIENCE_MS);
    await never('it is restarted again', async () => (await a.restarts()).length > 2, 8000);
    t.equal((await b.restarts()).length, 2, 'and the other machine has nothing to do with it');
    for (const each of [relay, second]) {
      await waitFor('its queue to be empty', async () => (await each.metric('heapwarden_relay_queue_length')) === 0, PATIENCE_MS);
    }
  });
});
