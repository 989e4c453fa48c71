/** The supervisor against a real Docker. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import type { DockerConfig } from '../../src/config/schema.js';
import { DockerSupervisor, type DockerOptions } from '../../src/supervisors/docker.js';
import { DockerEngine } from '../../src/supervisors/docker-engine.js';
import { needDocker, realDocker, type ContainerSetup, type Docker } from '../parts/docker.js';
import { identify, lives, procTable, running, until } from '../parts/pm2.js';
import { memoryLog, stopFirst } from './options.js';

/** State T of proc_pid_stat(5): a daemon of many threads does not stop all at once. */
const areStopped = (pid: number): boolean =>
  readdirSync(`/proc/${pid}/task`).every((task) => /\) T /.test(readFileSync(`/proc/${pid}/task/${task}/stat`, 'latin1')));

const APP = fileURLToPath(new URL('../apps/container-app.cjs', import.meta.url));
const signal = new AbortController().signal;

const app = (name: string, how: string, setup: Partial<ContainerSetup> = {}): ContainerSetup => ({
  name,
  args: [APP],
  env: { HOW: how },
  ...setup,
});

function supervise(t: Test, { socketPath }: Docker, config: DockerConfig, settings: Partial<DockerOptions> = {}): DockerSupervisor {
  const engine = new DockerEngine({ socketPath });
  const parts = { processes: procTable, clock: systemClock, log: memoryLog() };
  const supervisor = new DockerSupervisor({ app: 'shop', config, engine, ...parts, ...settings });
  t.teardown(() => supervisor.close());
  return supervisor;
}

t.test('containers of a real Docker', async (t) => {
  const dockerd = needDocker(t);
  if (!dockerd) return;
  const docker = await realDocker(t, dockerd);

  await t.test('one by its name', async (t) => {
    const log = memoryLog();
    const shop = supervise(t, docker, 'shop', { log });
    await shop.start();
    t.strictSame(log.warnings, ['it has no container named "shop"; docker ps --all lists their names']);
    t.strictSame(await shop.slots(), [{ worker: '0', pid: null, state: 'stopped' }], 'down, not an error');
    await t.rejects(shop.restart('0', stopFirst({ stopTimeoutMs: 1000, signal })), {
      code: 'SUPERVISOR_REFUSED',
      message: 'Docker cannot restart "shop": it has no container named "shop"; docker ps --all lists their names',
    });

    await docker.run(app('shop', 'plain', { host: { Memory: 128 * 2 ** 20 } }));
    await docker.run(app('shop-2', 'plain'));
    const byId = supervise(t, docker, (await docker.inspect('shop')).Id.slice(0, 12));
    const nobody = [{ worker: '0', pid: null, state: 'stopped' }];
    t.strictSame(await byId.slots(), nobody, 'the beginning of an id is no name');
    const [before] = await running(shop);
    const old = await identify(before!.pid);
    t.equal(before!.pid, (await docker.inspect('shop')).State.Pid, 'its pid is that of the machine');
    t.equal(shop.lastDeath('0'), null);
    const other = (await docker.inspect('shop-2')).State.Pid;

    const report = await shop.restart('0', stopFirst({ stopTimeoutMs: 10_000, signal }));
    const [after] = await running(shop);
    t.match(report, { stop: 'exited', pid: after!.pid, goneAt: Number, ready: null });
    t.not(report.pid, old.pid);
    t.notOk(await lives(old), 'the old process is gone');
    t.match(shop.lastDeath('0'), { cause: 'other', detail: 'it exited with code 0', atMs: Number });
    t.equal((await docker.inspect('shop-2')).State.Pid, other, 'another container is left alone');

    await docker.api('POST', '/containers/shop/pause');
    t.strictSame(await shop.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
    await t.rejects(shop.restart('0', stopFirst({ stopTimeoutMs: 1000, signal })), {
      code: 'SUPERVISOR_REFUSED',
      message: 'Docker cannot restart "shop": it is paused, which somebody has asked for; docker unpause ends that (container shop)',
    });
    await docker.api('POST', '/containers/shop/unpause');
    await docker.api('POST', '/containers/shop/stop');
    t.strictSame(await shop.slots(), [{ worker: '0', pid: null, state: 'stopped' }]);
    const started = await shop.restart('0', stopFirst({ stopTimeoutMs: 1000, signal }));
    t.strictSame(started, { stop: 'gone', pid: (await running(shop))[0]!.pid, goneAt: null, ready: null }, 'a stopped one is started');
    await t.rejects(shop.restart('1', stopFirst({ stopTimeoutMs: 1000, signal })), { code: 'UNKNOWN_WORKER' });
  });

  await t.test('one that does not hear its stop signal, and agents that are asked to drain', async (t) => {
    await docker.run(app('deaf', 'deaf'));
    const asked: [number, number][] = [];
    const drain: DockerOptions['drain'] = async ({ pid }, ms) => ({ complete: asked.push([pid, ms]) > 0, deaf: false });
    const deaf = supervise(t, docker, 'deaf', { drain });
    const [before] = await running(deaf);
    const since = performance.now();
    const report = await deaf.restart('0', stopFirst({ stopTimeoutMs: 1200, signal, mode: 'graceful' }));
    t.equal(report.stop, 'killed');
    t.ok(performance.now() - since >= 2000, 'in whole seconds, rounded up');
    t.strictSame(asked, [[before!.pid, 600]]);
  });

  await t.test('several by a label, each a worker with a slot of its own', async (t) => {
    const labels = { 'com.example.app': 'cart' };
    const compose = (number: number) => ({ ...labels, 'com.docker.compose.container-number': String(number) });
    await docker.run(app('proj-cart-2', 'plain', { labels: compose(2) }));
    await docker.run(app('proj-cart-1', 'plain', { labels: compose(1) }));
    await docker.run(app('other', 'plain', { labels: { 'com.example.app': 'cartoon' } }));
    await docker.run(app('a-command', 'plain', { labels: { ...compose(1), 'com.docker.compose.oneoff': 'True' } }));
    const cart = supervise(t, docker, { label: 'com.example.app=cart' });
    const pidOf = async (name: string) => (await docker.inspect(name)).State.Pid;
    const [one, two] = await running(cart);
    t.strictSame([one, two], [
      { worker: '0', pid: await pidOf('proj-cart-1'), state: 'running' },
      { worker: '1', pid: await pidOf('proj-cart-2'), state: 'running' },
    ]);
    const report = await cart.restart('1', stopFirst({ stopTimeoutMs: 5000, signal }));
    t.strictSame(await running(cart), [one, { worker: '1', pid: report.pid, state: 'running' }], 'the other one is the same process');

    await docker.api('DELETE', '/containers/proj-cart-1?force=1');
    t.strictSame((await running(cart)).map(({ worker }) => worker), ['1']);
    await docker.run(app('proj-cart-1', 'plain', { labels: compose(1) }));
    t.strictSame((await running(cart)).map(({ worker }) => worker), ['0', '1'], 'one that is made anew has its slot again');
  });

  await t.test('its health check is its readiness', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'hw-health-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const sick = join(dir, 'sick');
    const check = `process.exit(require('fs').existsSync(${JSON.stringify(sick)}) ? 1 : 0)`;
    const Healthcheck = { Test: ['CMD', process.execPath, '-e', check], Interval: 1e9, Timeout: 5e9, Retries: 1 };
    await docker.run(app('health', 'plain', { binds: [dir], more: { Healthcheck } }));
    const options = stopFirst({ stopTimeoutMs: 5000, signal });
    const health = supervise(t, docker, 'health');
    t.equal((await health.restart('0', options)).ready, true);
    writeFileSync(sick, '');
    t.equal((await health.restart('0', options)).ready, false);
    const asksElsewhere = supervise(t, docker, 'health', { asksHealth: () => false });
    t.equal((await asksElsewhere.restart('0', options)).ready, null, 'where the config has a check of its own, that one is asked');
    rmSync(sick);
    const ends = new AbortController();
    const waiting = health.restart('0', stopFirst({ stopTimeoutMs: 5000, signal: ends.signal }));
    setTimeout(() => ends.abort(new Error('heapwarden closes')), 300);
    await t.rejects(waiting, { message: 'heapwarden closes' });
  });

  await t.test('how it died', async (t) => {
    const die = async (name: string, how: string, setup: Partial<ContainerSetup>) => {
      await docker.run(app(name, how, setup));
      const supervisor = supervise(t, docker, name);
      return until(`${name} to die`, async () => {
        await supervisor.slots();
        return supervisor.lastDeath('0');
      });
    };
    const small = { Memory: 64 * 2 ** 20, MemorySwap: 64 * 2 ** 20 };
    const since = Date.now() - 1000;
    const kernel = await die('oom', 'grows', { host: small });
    t.match(kernel, {
      cause: 'oom_kernel',
      detail: 'the kernel killed it, for there was no memory left in its container, whose limit is 67.1 MB',
    });
    t.ok(kernel.atMs >= since && kernel.atMs <= Date.now());

    // Docker starts it again at once, and its own OOMKilled says no more.
    const again = await die('oom-again', 'grows', { host: { ...small, RestartPolicy: { Name: 'always' } } });
    t.equal(again.cause, 'oom_kernel');

    const heap = await die('heap', 'fills-heap', { args: ['--max-old-space-size=30', APP] });
    t.match(heap, { cause: 'oom_heap', detail: /^V8 said "(?:Reached|Ineffective mark-compacts near) heap limit" and it exited with code \d+$/ });

    t.match(await die('fails', 'fails', {}), { cause: 'other', detail: 'it exited with code 7' });
    await docker.run(app('gives-up', 'fails', { host: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } } }));
    const givesUp = supervise(t, docker, 'gives-up');
    await until('Docker to give up', async () => (await givesUp.slots())[0]!.state === 'crash_loop');
  });

  await t.test('Docker does not answer, or is gone', async (t) => {
    const engine = new DockerEngine({ socketPath: docker.socketPath, timeoutMs: 300 });
    const shop = supervise(t, docker, 'shop-2', { engine });
    await running(shop);
    process.kill(docker.pid, 'SIGSTOP');
    await until('all its threads to stop', () => areStopped(docker.pid));
    await t.rejects(shop.slots(), {
      code: 'SUPERVISOR_UNREACHABLE',
      message: 'Docker cannot be asked: Docker did not answer /containers/shop-2/json within 0.3 s; its own log says more (journalctl -u docker)',
    });
    process.kill(docker.pid, 'SIGCONT');
    await until('Docker to answer again', () => running(shop).then(() => true, () => false));
    const daemon = await identify(docker.pid);
    process.kill(docker.pid, 'SIGKILL');
    await until('Docker to die', async () => !(await lives(daemon)));
    const gone = `Docker cannot be asked: Docker does not run any more: nobody listens on ${docker.socketPath}; systemctl start docker`;
    // What was still under way on a connection of before is broken off first.
    await until('nobody to listen', () => shop.slots().then(() => false, (error: Error) => error.message === gone));
    await t.rejects(shop.restart('0', stopFirst({ stopTimeoutMs: 1000, signal })), { code: 'SUPERVISOR_UNREACHABLE', message: gone });
  });
});
