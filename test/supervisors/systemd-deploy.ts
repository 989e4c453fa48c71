/** The files of deploy/, as they are shipped, with the real program. Runs beside a systemd of its own: systemd.test.ts. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { IncidentStatus } from '../../src/publish/incident-shape.js';
import type { AppStatus } from '../../src/publish/app-shape.js';
import { waitFor } from '../integration/wait.js';
import { processes, run, systemctl } from './systemd-units.js';

const file = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const ADDRESS = 'http://127.0.0.1:9973';
const get = async <T>(path: string): Promise<T> => (await fetch(ADDRESS + path)).json() as Promise<T>;
const isReady = () => fetch(`${ADDRESS}/-/ready`).then(({ ok }) => ok, () => false);
const shop = async () => (await get<{ apps: AppStatus[] }>('/api/v1/apps')).apps.find(({ app }) => app === 'shop')?.workers[0];

// As an administrator would install them; only the program is this repository's.
writeFileSync('/usr/local/bin/heapwarden', `#!/bin/sh\nexec ${process.execPath} ${file('dist/cli.js')} "$@"\n`);
chmodSync('/usr/local/bin/heapwarden', 0o755);
for (const name of ['heapwarden.service', 'shop.service']) copyFileSync(file(`deploy/${name}`), `/run/units/${name}`);
const rule = '/etc/polkit-1/rules.d/50-heapwarden.rules';
copyFileSync(file('deploy/polkit/50-heapwarden.rules'), rule);
chmodSync(rule, 0o644);
// The leaking app, in the place that the example names.
mkdirSync('/usr/local/shop/node_modules', { recursive: true });
symlinkSync(file(''), '/usr/local/shop/node_modules/heapwarden');
copyFileSync(file('test/apps/leaks.mjs'), '/usr/local/shop/server.mjs');
mkdirSync('/run/units/shop.service.d');
const agent = readFileSync(file('deploy/shop.service'), 'utf8').match(/--require=\/srv(\/\S+)/)![1];
writeFileSync('/run/units/shop.service.d/here.conf', `[Service]
WorkingDirectory=/usr/local/shop
ExecStart=
ExecStart=node server.mjs
Environment=NODE_OPTIONS=--require=/usr/local${agent}
`);
mkdirSync('/etc/heapwarden');
writeFileSync('/etc/heapwarden/heapwarden.yml', `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: { systemd: shop.service }
    limits: { rss: { warning: 90MB, critical: 110MB, restart: 130MB, for: 1s } }
    restart: { startup_grace: 1s, cooldown: 1m }
`);
for (const unit of ['network.target', 'network-online.target', 'multi-user.target']) writeFileSync(`/run/units/${unit}`, '[Unit]\n');
systemctl('daemon-reload');

t.test('systemd-analyze has nothing to say of the units', async (t) => {
  for (const name of ['heapwarden.service', 'shop.service']) {
    t.equal(run('sh', '-c', `systemd-analyze verify --man=no /run/units/${name} 2>&1`), '', name);
  }
});

t.test('systemd-analyze finds the warden well protected', async (t) => {
  const found = run('systemd-analyze', 'security', '--offline=yes', '--no-pager', '/run/units/heapwarden.service');
  const [, score] = /exposure level for heapwarden\.service: ([\d.]+) OK/.exec(found) ?? [];
  t.comment(found.trim().split('\n').at(-1));
  t.ok(Number(score) <= 2.5, `${score} of 10, 0 being the best`);
});

t.test('a leaking service is restarted within its limits by a warden without rights', async (t) => {
  systemctl('start', 'polkit', 'heapwarden');
  t.teardown(() => {
    if (!t.passing()) t.comment(run('journalctl', '--no-pager', '-u', 'heapwarden', '-u', 'shop', '-o', 'cat'));
  });
  await waitFor('the warden to be ready', isReady);
  const pid = Number(systemctl('show', '-P', 'MainPID', 'heapwarden'));
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  t.match(status, /^Uid:\s+7310\s/m, 'it is nobody');
  t.match(status, /^CapEff:\s+0+$/m, 'and has no capability');
  systemctl('start', 'shop');
  const first = await waitFor('the app', async () => (await shop())?.pid);
  await waitFor('its agent, which runs as another user', async () => /heapwarden_agents_connected 1\b/.test(await (await fetch(`${ADDRESS}/metrics`)).text()));
  t.equal(statSync('/run/heapwarden/agent.sock').mode & 0o777, 0o660);
  t.equal(statSync('/run/heapwarden').mode & 0o7777, 0o2750);

  const incident = await waitFor('a restart with its outcome', async () => {
    const { incidents } = await get<{ incidents: IncidentStatus[] }>('/api/v1/incidents');
    return incidents.find(({ action, outcome }) => action === 'restart' && outcome);
  }, 60_000);
  t.match(incident, { reason: 'rss', app: 'shop', worker: '0', before: { pid: first } });
  t.match(incident.outcome, { result: 'recovered', stop: 'exited' });
  t.ok(incident.before!.resident_memory_bytes >= 130e6);
  t.ok(incident.before!.resident_memory_bytes < 200e6, 'not long after its limit');
  t.ok(incident.outcome!.after!.resident_memory_bytes < 110e6);
  t.equal(await processes.identify(first), null, 'the old process has gone');
  t.equal(systemctl('show', '-P', 'ActiveState', 'shop').trim(), 'active');
});

t.test('it reloads, and ends, as the unit says', async (t) => {
  const pid = systemctl('show', '-P', 'MainPID', 'heapwarden');
  writeFileSync('/etc/heapwarden/heapwarden.yml', 'apps: [{ name: till, supervisor: { systemd: shop } }]\n');
  systemctl('reload', 'heapwarden');
  await waitFor('the new config', async () => (await get<{ apps: AppStatus[] }>('/api/v1/apps')).apps.some(({ app }) => app === 'till'));
  t.equal(systemctl('show', '-P', 'MainPID', 'heapwarden'), pid, 'the same process');
  systemctl('stop', 'heapwarden');
  t.equal(systemctl('show', '-P', 'Result', 'heapwarden').trim(), 'success');
  t.match(readFileSync('/var/lib/heapwarden/journal.jsonl', 'utf8'), /"shop"/, 'the record stays');
});

t.test('it gives its socket to another group of its own', async (t) => {
  const [, , group] = run('getent', 'group', 'systemd-journal').split(':');
  writeFileSync('/etc/heapwarden/heapwarden.yml', `agent_socket_group: ${group}\n`);
  systemctl('start', 'heapwarden');
  t.teardown(() => systemctl('stop', 'heapwarden'));
  await waitFor('the warden to be ready', isReady);
  const { gid, mode } = statSync('/run/heapwarden/agent.sock');
  t.strictSame([gid, mode & 0o777], [Number(group), 0o660]);
});

t.test('it listens on every IPv4 address, where somebody asks for that', async (t) => {
  const here = '/run/units/heapwarden.service.d';
  mkdirSync(here);
  const start = 'heapwarden serve --config.file=/etc/heapwarden/heapwarden.yml --web.listen-address=0.0.0.0:9973';
  // Of a network that has nothing but a loopback of its own: nobody else can reach it.
  writeFileSync(`${here}/here.conf`, `[Service]\nPrivateNetwork=yes\nExecStart=\nExecStart=${start}\n`);
  systemctl('daemon-reload');
  systemctl('start', 'heapwarden');
  t.teardown(() => systemctl('stop', 'heapwarden'));
  const invocation = systemctl('show', '-P', 'InvocationID', 'heapwarden').trim();
  const said = () => run('journalctl', '--no-pager', '-o', 'cat', `_SYSTEMD_INVOCATION_ID=${invocation}`);
  await waitFor('its first words', () => /status page +http:\/\/127\.0\.0\.1:9973\//.test(said()));
});
