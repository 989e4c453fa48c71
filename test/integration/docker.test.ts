/** Two leaking containers under a real Docker, both of them process 1: measured by their agents from outside, restarted by Docker. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { needDocker, realDocker } from '../parts/docker.js';
import { waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

const agent = fileURLToPath(import.meta.resolve('heapwarden/agent'));

t.test('containers that leak', async (t) => {
  const dockerd = needDocker(t);
  if (!dockerd) return;
  const docker = await realDocker(t, dockerd);
  const config = `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: { docker: { label: com.example.app=shop } }
    limits: { rss: { warning: 90MB, critical: 110MB, restart: 140MB, for: 1s } }
    restart: { startup_grace: 1s, cooldown: 1m, stop_timeout: 2s }
`;
  const warden = await WardenProcess.start(t, { config, env: { DOCKER_HOST: `unix://${docker.socketPath}` } });
  await warden.ready();
  t.equal(await warden.metric('heapwarden_process_up', { app: 'shop', worker: '0' }), 0, 'down while there is no container');

  // Only the second is told to leak.
  const word = join(warden.dir, 'leak-now');
  for (const name of ['shop-a', 'shop-b']) {
    await docker.run({
      name,
      args: [`--require=${agent}`, appFile('leaks-on-word.mjs')],
      env: { HEAPWARDEN_SOCKET: join(warden.dir, 'agent.sock'), LEAK_WHEN: name === 'shop-b' ? word : join(warden.dir, 'never') },
      labels: { 'com.example.app': 'shop' },
      binds: [warden.dir],
    });
  }
  const pids = await Promise.all(['shop-a', 'shop-b'].map(async (name) => (await docker.inspect(name)).State.Pid));
  const worker = (name: '0' | '1') => ({ app: 'shop', worker: name });
  for (const name of ['0', '1'] as const) {
    await waitFor(`the agent of worker ${name}`, () => warden.metric('heapwarden_nodejs_heap_size_used_bytes', worker(name)));
    t.equal(await warden.pid('shop', name), pids[Number(name)]);
  }
  t.equal(await warden.metric('heapwarden_agents_connected'), 2, 'two agents that are both process 1');
  // Two of one app within 10 s have one line.
  t.match(warden.log, new RegExp(`the agent of process (${pids.join('|')}) reports in`));
  t.match(await warden.metrics(), new RegExp(`heapwarden_process_info{app="shop",worker="1",pid="${pids[1]}",node_version="${process.version.slice(1)}",supervisor="docker"} 1`));

  writeFileSync(word, '');
  const externalOf = (name: '0' | '1') => warden.metric('heapwarden_nodejs_external_memory_bytes', worker(name));
  await waitFor("the leak in worker 1's own figures", async () => ((await externalOf('1')) ?? 0) > 140e6);
  t.ok((await externalOf('0'))! < 50e6, "and in nobody else's");

  const incident = await warden.finishedRestart(60_000);
  t.match(incident, { reason: 'rss', origin: 'guard', app: 'shop', worker: '1', before: { pid: pids[1] }, outcome: { result: 'recovered' } });
  t.ok(incident.before!.heap_used_bytes! > 1e6, 'the agent in the container told the heap');
  t.equal(incident.outcome!.after!.pid, (await docker.inspect('shop-b')).State.Pid);
  t.equal((await docker.inspect('shop-a')).State.Pid, pids[0], 'the other container is the same process');
  await waitFor('the agent of the new process', () => warden.metric('heapwarden_nodejs_heap_size_used_bytes', worker('1')));
  t.equal(await warden.metric('heapwarden_agents_connected'), 2);

  process.kill(docker.pid, 'SIGKILL');
  const success = () => warden.metric('heapwarden_collector_success', { collector: 'supervisor/shop' });
  await waitFor('the loss of Docker to be told', async () => (await success()) === 0);
  const words = /Docker does not run any more: nobody listens on .*; systemctl start docker/;
  await waitFor('its log to say so', () => words.test(warden.log));
  t.equal(await warden.metric('heapwarden_process_up', worker('0')), 1, 'the containers run on, and are seen');
});
