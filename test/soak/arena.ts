/** Everything of a soak that runs: the folder, the warden, PM2 with its workers, Prometheus and Alertmanager. */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Scope } from '../bench/scope.js';
import { edit } from '../integration/edit.js';
import { waitFor } from '../integration/wait.js';
import { CLI, appFile } from '../integration/warden-process.js';
import { findPart } from '../parts/index.js';
import { realPm2 } from '../parts/pm2.js';
import { freePort, startAlertmanager, startPrometheus, type Server } from '../parts/prometheus.js';
import type { Rules } from './referee/records.js';
import { monotonicMs, type Deed } from './referee/watch.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const agent = fileURLToPath(import.meta.resolve('heapwarden/agent'));
const SECONDS = { interval: 2, hold: 4, fallback: 6, cooldown: 20, freeze: 4 };
const LIMIT_BYTES = 110e6;

export interface Plan {
  workers: number;
  seed: number;
  trigger: 'embedded' | 'both';
  /** Milliseconds: how long a worker's life is about to last before something happens to it. */
  paceMs: number;
}

/** Of all workers: two thirds heapwarden's own, a quarter of these behind a shared port, one third PM2's. */
function shares(workers: number): { own: number; shared: number; pm2: number } {
  const pm2 = Math.max(1, Math.floor(workers / 3));
  const shared = Math.max(1, Math.floor(workers / 6));
  return { own: Math.max(1, workers - pm2 - shared), shared, pm2 };
}

export interface Arena {
  dir: string;
  /** What the worker of each slot is reached by: a Unix socket, or a port of this machine. */
  places: ({ socketPath: string } | { port: number; host: string })[];
  warden: Warden;
  prometheus: Part;
  alertmanager: Part;
}

/** A server that can be stopped and started again on its port, with its storage. */
export class Part {
  readonly name: string;
  readonly #start: () => Promise<Server>;
  #server: Server | null = null;

  constructor(name: string, start: () => Promise<Server>) {
    this.name = name;
    this.#start = start;
  }

  get isUp(): boolean {
    return this.#server !== null;
  }

  async start(): Promise<void> {
    this.#server ??= await this.#start();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    await server?.stop();
  }
}

/** The warden under test: started, killed, started again; what is done to it is written down for the referee. */
export class Warden {
  readonly #dir: string;
  readonly #port: number;
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | null = null;

  constructor(dir: string, port: number, env: NodeJS.ProcessEnv) {
    this.#dir = dir;
    this.#port = port;
    this.#env = env;
  }

  get isAlive(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  write(deed: Deed extends infer One ? (One extends Deed ? Omit<One, 'at'> : never) : never): void {
    appendFileSync(join(this.#dir, 'deeds.jsonl'), `${JSON.stringify({ at: monotonicMs(), ...deed })}\n`);
  }

  log(): string {
    return readFileSync(join(this.#dir, 'warden.log'), 'utf8');
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    const script = 'exec "$0" "$@" >>"$HEAPWARDEN_SOAK_LOG" 2>&1';
    // Not by NODE_OPTIONS: its child apps would inherit those.
    const node = [process.execPath, `--require=${appFile('warden-clock.cjs')}`];
    const args = [CLI, 'serve', `--config.file=${join(this.#dir, 'heapwarden.yml')}`, `--web.listen-address=127.0.0.1:${this.#port}`];
    const child = spawn('sh', ['-c', script, ...node, ...args], { env: this.#env, stdio: 'ignore' });
    this.#child = child;
    await waitFor('the warden to be ready', () => {
      if (!this.isAlive) throw new Error(`the warden has ended (${child.exitCode ?? child.signalCode}):\n${this.log().slice(-3000)}`);
      return fetch(`${this.url}/-/ready`).then(({ ok }) => ok, () => false);
    }, 120_000);
    this.write({ deed: 'ready', pid: child.pid! });
  }

  async kill(): Promise<void> {
    this.write({ deed: 'down' });
    await this.#end('SIGKILL');
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  /** Gently. Its exit status. */
  async stop(): Promise<number | null> {
    return this.isAlive ? this.#end('SIGTERM') : null;
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child!;
    const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return ended;
  }
}

function configOf({ workers, trigger, seed, paceMs }: Plan, dir: string, port: number): string {
  const { own, shared } = shares(workers);
  const env = (app: string, more: Record<string, string> = {}) => JSON.stringify({ ...workerEnv(app, dir, { seed, paceMs }), ...more });
  const command = JSON.stringify([process.execPath, appFile('soak-worker.cjs')]);
  return `
trigger: ${trigger}
fallback_after: ${SECONDS.fallback}s
sample_interval: ${SECONDS.interval}s
state_dir: ./state
agent_socket: ./agent.sock
auth: { token_file: deploy/token }
defaults:
  limits: { rss: { warning: 90MB, critical: 100MB, restart: ${LIMIT_BYTES / 1e6}MB, for: ${SECONDS.hold}s }, freeze: { restart: ${SECONDS.freeze}s } }
  restart: { startup_grace: 3s, cooldown: ${SECONDS.cooldown}s, budget: 100000/1h, stop_timeout: 2s }
  evidence: { keep: 2, timeout: 2s }
apps:
  - { name: own, supervisor: { child: { command: ${command}, instances: ${own}, env: ${env('own')} } } }
  - { name: shared, supervisor: { child: { command: ${command}, instances: ${shared}, listen: "127.0.0.1:${port}", env: ${env('shared', { SOAK_PORT: String(port) })} } } }
  - { name: pm2, supervisor: { pm2: soak } }
`;
}

const workerEnv = (app: string, dir: string, { seed, paceMs }: Pick<Plan, 'seed' | 'paceMs'>): Record<string, string> => ({
  SOAK_APP: app,
  SOAK_DIR: dir,
  SOAK_SEED: String(seed),
  SOAK_PACE_MS: String(paceMs),
  SOAK_LIMIT_BYTES: String(LIMIT_BYTES),
});

function rulesOf({ workers, trigger }: Plan): Rules {
  return {
    sampleIntervalMs: SECONDS.interval * 1000,
    fallbackMs: trigger === 'both' ? SECONDS.fallback * 1000 : 0,
    cooldownMs: SECONDS.cooldown * 1000,
    rssLimitBytes: LIMIT_BYTES,
    rssForMs: SECONDS.hold * 1000,
    freezeLimitMs: SECONDS.freeze * 1000,
    wardenMostBytes: 300e6,
    wardenMostFds: 150 + 10 * workers,
    apps: [{ name: 'own', supervisor: 'child' }, { name: 'shared', supervisor: 'child' }, { name: 'pm2', supervisor: 'pm2' }],
  };
}

interface Ports {
  warden: number;
  alertmanager: number;
  prometheus: number;
  shared: number;
}

/** All files of the run; nothing runs yet. */
export async function prepare(dir: string, plan: Plan): Promise<Ports> {
  for (const folder of ['apps', 'state', 'deploy']) mkdirSync(join(dir, folder), { recursive: true });
  const ports = { warden: await freePort(), alertmanager: await freePort(), prometheus: await freePort(), shared: await freePort() };
  const { warden: wardenPort, alertmanager: alertmanagerPort, shared: sharedPort } = ports;
  writeFileSync(join(dir, 'heapwarden.yml'), configOf(plan, dir, sharedPort));
  writeFileSync(join(dir, 'rules.json'), JSON.stringify(rulesOf(plan)));
  writeFileSync(join(dir, 'ahead'), '0');
  for (const file of ['deploy/prometheus.yml', 'deploy/alertmanager.yml', 'rules']) cpSync(join(root, file), join(dir, file), { recursive: true });
  edit(join(dir, 'rules/heapwarden.rules.yml'), { 'for: 30s': `for: ${SECONDS.hold}s` });
  edit(join(dir, 'deploy/prometheus.yml'), {
    'scrape_interval: 5s': 'scrape_interval: 2s',
    'evaluation_interval: 5s': 'evaluation_interval: 2s',
    '127.0.0.1:9973': `127.0.0.1:${wardenPort}`,
    '127.0.0.1:9093': `127.0.0.1:${alertmanagerPort}`,
  });
  edit(join(dir, 'deploy/alertmanager.yml'), {
    '127.0.0.1:9973': `127.0.0.1:${wardenPort}`,
    'group_interval: 5s': 'group_interval: 2s',
    'repeat_interval: 5m': `repeat_interval: ${SECONDS.cooldown}s`,
  });

  return ports;
}

/** Everything runs and the warden is ready. What is started ends with the scope. */
export async function build(dir: string, plan: Plan, ports: Ports, scope: Scope): Promise<Arena> {
  const pm2 = await realPm2(scope, findPart('pm2')!);
  const { pm2: pm2Workers, shared, own } = shares(plan.workers);
  await pm2.start({
    name: 'soak',
    script: appFile('soak-worker.cjs'),
    exec_mode: 'fork',
    instances: pm2Workers,
    node_args: `--require=${agent}`,
    env: { ...workerEnv('pm2', dir, plan), HEAPWARDEN_SOCKET: join(dir, 'agent.sock') },
  });

  const { NODE_OPTIONS: _, ...inherited } = process.env;
  const warden = new Warden(dir, ports.warden, {
    ...inherited,
    PM2_HOME: pm2.home,
    HEAPWARDEN_SOAK_LOG: join(dir, 'warden.log'),
    CLOCK_FILE: join(dir, 'ahead'),
  });
  scope.teardown(async () => {
    await warden.stop();
    if (!scope.passing()) scope.comment(warden.log().slice(-5000));
  });
  warden.write({ deed: 'down' });
  await warden.start();
  const prometheus = new Part('Prometheus', () => startPrometheus({ configFile: join(dir, 'deploy/prometheus.yml'), dir, port: ports.prometheus }));
  const alertmanager = new Part('Alertmanager', () => startAlertmanager({ configFile: join(dir, 'deploy/alertmanager.yml'), dir, port: ports.alertmanager }));
  for (const part of [alertmanager, prometheus]) {
    scope.teardown(() => part.stop());
    await part.start();
  }
  const sockets = (app: string, count: number) => Array.from({ length: count }, (_one, i) => ({ socketPath: join(dir, 'apps', `${app}-${i}.sock`) }));
  const places = [...sockets('own', own), ...sockets('pm2', pm2Workers), ...Array.from({ length: shared }, () => ({ port: ports.shared, host: '127.0.0.1' }))];
  return { dir, places, warden, prometheus, alertmanager };
}

/** Takes all that is left of the state folder's disk, or gives it back. */
export class Disk {
  readonly #filler: string;

  constructor(dir: string) {
    this.#filler = join(dir, 'state', 'filler');
  }

  fill(): void {
    for (const size of [2 ** 20, 4096]) {
      try {
        for (;;) appendFileSync(this.#filler, Buffer.alloc(size, 1));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }
}

export const pause = (ms: number, signal: AbortSignal): Promise<void> => sleep(ms, undefined, { signal });
