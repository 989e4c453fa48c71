/** A leaking app under real PM2, fork and cluster mode: measured through the agent in its node_args, restarted by PM2. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import { AgentHub } from '../../src/observe/hub.js';
import { needParts } from '../parts/index.js';
import { realPm2 } from '../parts/pm2.js';
import { never, waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

const agent = import.meta.resolve('heapwarden/agent');

async function strangersHub(t: Test): Promise<{ runtimeDir: string; seen: string[] }> {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'hw-decoy-'));
  const seen: string[] = [];
  const silent = () => {};
  const log = { debug: silent, warn: silent, error: silent, info: (message: string) => void seen.push(message) };
  const hub = new AgentHub({ path: join(runtimeDir, 'heapwarden/agent.sock'), statsIntervalMs: 1000, clock: systemClock, log });
  await hub.listen();
  t.teardown(async () => {
    await hub.close();
    rmSync(runtimeDir, { recursive: true, force: true });
  });
  return { runtimeDir, seen };
}

async function leakUnderPm2(t: Test, mode: 'fork' | 'cluster', flag: '--import' | '--require') {
  const parts = needParts(t, 'pm2');
  if (!parts) return;
  // What the daemon's environment leads to is another warden's socket; the app's own HEAPWARDEN_SOCKET comes first.
  const decoy = await strangersHub(t);
  const pm2 = await realPm2(t, parts.pm2, { XDG_RUNTIME_DIR: decoy.runtimeDir });
  const config = `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: { pm2: shop-in-pm2 }
    limits: { rss: { warning: 90MB, critical: 110MB, restart: 140MB, for: 1s } }
    restart: { startup_grace: 1s, cooldown: 1m }
`;
  // The daemon's socket is not there yet: an app that PM2 does not know is down, not an error.
  const warden = await WardenProcess.start(t, { config, env: { PM2_HOME: pm2.home } });
  await warden.ready();
  t.equal(await warden.metric('heapwarden_process_up', { app: 'shop', worker: '0' }), 0, 'down while PM2 does not run it');
  t.equal(await warden.metric('heapwarden_collector_success', { collector: 'supervisor/shop' }), 0);

  const instances = mode === 'cluster' ? 2 : 1;
  const entry = flag === '--import' ? agent : new URL(agent).pathname;
  await pm2.start({
    name: 'shop-in-pm2',
    script: appFile('leaks.mjs'),
    exec_mode: mode,
    instances,
    node_args: `${flag}=${entry}`,
    env: { HEAPWARDEN_SOCKET: join(warden.dir, 'agent.sock'), LEAK_ONCE: join(warden.dir, 'leaked'), LEAK_MB: '150', LEAK_MB_PER_SECOND: '30' },
  });
  await waitFor('every worker up', async () => (await warden.apps())[0]?.workers.filter(({ up }) => up).length === instances);
  const before = await pm2.list('shop-in-pm2');
  t.equal(await warden.metric('heapwarden_collector_success', { collector: 'supervisor/shop' }), 1, 'PM2 has come');

  const incident = await warden.finishedRestart(40_000);
  t.match(incident, { reason: 'rss', origin: 'guard', app: 'shop', outcome: { result: 'recovered' } });
  t.ok(incident.before!.heap_used_bytes! > 1e6, 'the agent in node_args told the heap');
  const after = await pm2.list('shop-in-pm2');
  const replaced = before.filter(({ pid }) => !after.some((entry) => entry.pid === pid));
  t.strictSame(replaced.map(({ pid }) => pid), [incident.before!.pid], 'the one that leaked, and no other, was replaced');
  t.equal(after.find(({ pm_id }) => pm_id === replaced[0]!.pm_id)!.pid, incident.outcome!.after!.pid);

  const worker = { app: 'shop', worker: incident.worker };
  await waitFor('the agent of the new process', () => warden.metric('heapwarden_nodejs_heap_size_used_bytes', worker));
  t.equal(await warden.metric('heapwarden_agents_connected'), instances);
  t.strictSame(decoy.seen, [], 'and reports to nobody else');
  t.match(await warden.metrics(), new RegExp(`heapwarden_process_info{app="shop",worker="${incident.worker}",pid="${incident.outcome!.after!.pid}",node_version="${process.version.slice(1)}",supervisor="pm2"} 1`));

  await pm2.killDaemon();
  await waitFor('the loss of PM2 to be told', async () => (await warden.metric('heapwarden_collector_success', { collector: 'supervisor/shop' })) === 0);
  // PM2's own code in an app ends it a moment after the daemon, in both modes: gone, and told as that.
  await waitFor('the worker to be told as gone', async () => (await warden.metric('heapwarden_process_up', worker)) === 0);
  await pm2.cli('resurrect').catch(() => {});
  await waitFor('PM2 to be back', async () => (await warden.metric('heapwarden_collector_success', { collector: 'supervisor/shop' })) === 1);
  await never('another restart', async () => (await warden.restarts()).length > 1, 1000);
}

t.test('fork mode, --import', (t) => leakUnderPm2(t, 'fork', '--import'));
t.test('cluster mode, --require', (t) => leakUnderPm2(t, 'cluster', '--require'));
