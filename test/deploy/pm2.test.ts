/** deploy/pm2 under real PM2: heapwarden and its app as the ecosystem file has them, but for paths, port and home. */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { check } from '../../src/commands/check.js';
import { OLD_SPACE_MIB } from '../../src/commands/own-heap.js';
import type { IncidentStatus } from '../../src/publish/incident-shape.js';
import type { AppStatus } from '../../src/publish/app-shape.js';
import { waitFor } from '../integration/wait.js';
import { appFile, CLI } from '../integration/warden-process.js';
import { needParts } from '../parts/index.js';
import { freePort } from '../parts/prometheus.js';
import { realPm2 } from '../parts/pm2.js';

const folder = fileURLToPath(new URL('../../deploy/pm2/', import.meta.url));
const configFile = join(folder, 'heapwarden.yml');

interface App {
  name: string;
  script: string;
  args?: string[];
  node_args?: string[];
  kill_timeout: number;
  [setting: string]: unknown;
}
const { apps } = createRequire(import.meta.url)(join(folder, 'ecosystem.config.cjs')) as { apps: App[] };
const [warden, shop] = apps as [App, App];

t.test('the ecosystem file names what is there', async (t) => {
  t.equal(warden.script, CLI);
  t.ok(warden.args!.includes(`--config.file=${configFile}`));
  t.strictSame(warden.node_args, [`--max-old-space-size=${OLD_SPACE_MIB}`]);
  t.strictSame(shop.node_args, ['--require', fileURLToPath(import.meta.resolve('heapwarden/agent'))]);
  const said: string[] = [];
  t.equal(await check(configFile, (line) => said.push(line)), 0);
  t.strictSame(said, ['the config is valid: shop (pm2)']);
  for (const { name, max_memory_restart, cron_restart } of apps) {
    t.strictSame([max_memory_restart, cron_restart], [undefined, undefined], `${name}: PM2 restarts nothing beside heapwarden`);
  }
});

t.test('heapwarden under PM2 restarts its neighbour, and is itself restarted and stopped with care', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  // Apart from PM2's home, whose files are PM2's.
  const dir = mkdtempSync(join(tmpdir(), 'hw-eco-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const pm2 = await realPm2(t, parts.pm2);
  const [port, shopPort] = [await freePort(), await freePort()];
  const file = join(dir, 'heapwarden.yml');
  // A process that has just been started is left alone for 30 s, which here would be waited for.
  const config = readFileSync(configFile, 'utf8').replace('restart:\n', 'restart:\n      startup_grace: 0s\n');
  t.match(config, 'startup_grace: 0s');
  writeFileSync(file, `state_dir: .\nagent_socket: ./agent.sock\n${config}`);
  const ecosystem = {
    apps: [
      { ...warden, args: ['serve', `--config.file=${file}`, `--web.listen-address=127.0.0.1:${port}`] },
      {
        ...shop,
        script: appFile('pm2-web.cjs'),
        env: { APP_PORT: String(shopPort), SAYS_READY: '1', REPORT_DIR: pm2.reports, HEAPWARDEN_SOCKET: join(dir, 'agent.sock') },
      },
    ],
  };
  writeFileSync(join(dir, 'ecosystem.config.cjs'), `module.exports = ${JSON.stringify(ecosystem)};`);
  await pm2.cli('start', join(dir, 'ecosystem.config.cjs'));

  const url = `http://127.0.0.1:${port}`;
  const get = async <T>(path: string) => (await fetch(url + path)).json() as Promise<T>;
  const workers = async () => (await get<{ apps: AppStatus[] }>('/api/v1/apps')).apps.find(({ app }) => app === 'shop')?.workers ?? [];
  const isReady = () => fetch(`${url}/-/ready`).then(({ ok }) => ok, () => false);
  const pidOf = async (name: string) => (await pm2.list(name))[0]!.pid;
  await waitFor('heapwarden to be ready', isReady, 60_000);
  await waitFor('both workers, with their agents', async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return (await workers()).filter(({ up }) => up).length === 2 && /^heapwarden_agents_connected 2$/m.test(text);
  }, 60_000);

  const before = (await workers()).map(({ pid }) => pid);
  const answer = await fetch(`${url}/api/v1/apps/shop/restart`, {
    method: 'POST',
    headers: { authorization: `Bearer ${readFileSync(join(dir, 'token'), 'utf8').trim()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ worker: '0', force: true }),
  });
  t.equal(answer.status, 202, await answer.text());
  const incident = await waitFor('the restart', async () => {
    const { incidents } = await get<{ incidents: IncidentStatus[] }>('/api/v1/incidents');
    return incidents.find(({ outcome }) => outcome);
  }, 90_000);
  t.match(incident, { app: 'shop', reason: 'manual', outcome: { result: 'recovered' } });
  const after = (await workers()).map(({ pid }) => pid);
  t.equal(after.filter((pid) => before.includes(pid)).length, 1, 'one of the two was replaced');

  const first = await pidOf('heapwarden');
  process.kill(first, 'SIGKILL');
  await waitFor('PM2 to start heapwarden again', async () => (await pidOf('heapwarden')) !== first && (await isReady()), 60_000);
  t.strictSame((await workers()).map(({ pid }) => pid), after, 'and the apps ran on');

  const [{ pm2_env } = { pm2_env: {} }] = (await pm2.list('heapwarden')) as { pm2_env: Record<string, unknown> }[];
  await pm2.cli('stop', 'heapwarden');
  t.match(readFileSync(String(pm2_env['pm_err_log_path']), 'utf8'), 'heapwarden has stopped', 'not killed');
  const free = createServer().listen(port, '127.0.0.1');
  await once(free, 'listening');
  free.close();
});
