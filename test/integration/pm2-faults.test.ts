/** The whole warden over a real PM2: a graceful restart under load, a release that does not come up, a frozen daemon. */
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Load } from '../agent/load.js';
import { needParts } from '../parts/index.js';
import { realPm2 } from '../parts/pm2.js';
import { freePort } from '../parts/prometheus.js';
import { never, waitFor } from './wait.js';
import { appFile, WardenProcess } from './warden-process.js';
import { killIfThere } from '../parts/kill.js';

const agent = new URL(import.meta.resolve('heapwarden/agent')).pathname;

/** Two workers that listen and say `ready`, under a warden that restarts only on a person's word. */
async function webUnderWarden(t: Test, program: string) {
  const pm2 = await realPm2(t, program);
  const config = `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: { pm2: web }
    restart: { stop_timeout: 10s, startup_grace: 0s, cooldown: 0s, budget: 100/1h }
`;
  const warden = await WardenProcess.start(t, { config, env: { PM2_HOME: pm2.home } });
  await warden.ready();
  const url = `http://127.0.0.1:${await freePort()}/`;
  const breaks = join(warden.dir, 'breaks');
  await pm2.start({
    name: 'web',
    script: appFile('pm2-web.cjs'),
    exec_mode: 'cluster',
    instances: 2,
    wait_ready: true,
    listen_timeout: 20_000,
    node_args: `--require=${agent}`,
    env: { HEAPWARDEN_SOCKET: join(warden.dir, 'agent.sock'), APP_PORT: new URL(url).port, SAYS_READY: '1', BREAK_IF: breaks },
  });
  const isUp = async () => (await warden.apps())[0]?.workers.filter(({ up }) => up).length === 2;
  await waitFor('both workers, with their agents', async () =>
    (await isUp()) && (await warden.metric('heapwarden_agents_connected')) === 2);
  const restart = async (worker: string) => {
    const before = (await warden.restarts()).length;
    const { status } = await warden.post('/api/v1/apps/shop/restart', { worker });
    t.equal(status, 202, `a restart of worker ${worker} is accepted`);
    await waitFor('a new record', async () => (await warden.restarts()).length > before);
    return warden.finishedRestart(90_000);
  };
  const restarts = async () => (await pm2.list('web')).map(({ pm2_env: env }) => env['restart_time']);
  return { pm2, warden, url, breaks, restart, restarts };
}

t.test('graceful, under load', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const { pm2, warden, url, restart, restarts } = await webUnderWarden(t, parts.pm2);
  const load = new Load(t, url);
  for (const worker of ['0', '1', '0', '1']) {
    const pid = await warden.pid('shop', worker);
    const { outcome } = await restart(worker);
    t.match(outcome, { result: 'recovered' }, outcome!.sentence);
    t.not(outcome!.after!.pid, pid);
  }
  await load.stop();
  t.strictSame(load.failures, [], `no request of ${load.answered} failed`);
  t.ok(load.answered > 100);
  t.ok(load.bodies.size >= 6, 'and the new processes answered some of them');
  t.strictSame(await restarts(), [2, 2]);
  t.equal((await pm2.list('web')).length, 2, 'no stand-in is left');
});

t.test('what does not come up', async (t) => {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  const { pm2, warden, url, breaks, restart, restarts } = await webUnderWarden(t, parts.pm2);

  const before = await pm2.list('web').then((list) => list.map(({ pid }) => pid));
  writeFileSync(breaks, 'exits');
  const failed = await restart('0');
  t.match(failed.outcome!.sentence, /did not come up.*was left in place/s);
  t.not(failed.outcome!.result, 'recovered');
  t.strictSame((await pm2.list('web')).map(({ pid }) => pid), before, 'both run as before');
  t.equal((await fetch(url)).status, 200);
  await rm(breaks);

  const daemon = pm2.daemonPid();
  process.kill(daemon, 'SIGSTOP');
  t.teardown(() => killIfThere(daemon, 'SIGCONT'));
  const answers = async () => warden.metric('heapwarden_collector_success', { collector: 'supervisor/shop' });
  await waitFor('a frozen daemon to be told', async () => (await answers()) === 0);
  const frozen = await restart('0');
  t.match(frozen.outcome, { result: 'failed', sentence: /PM2 does not answer/ }, 'no restart is believed to be done');
  process.kill(daemon, 'SIGCONT');
  await waitFor('the daemon to answer again', async () => (await answers()) === 1);
  await never('a restart by itself', async () => (await restarts()).some((count) => count !== 0), 1000);

  t.match((await restart('0')).outcome, { result: 'recovered' });
  t.strictSame(await restarts(), [1, 0], 'restarted once in all');
});
