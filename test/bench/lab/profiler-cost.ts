/** What the allocation profiler costs an app: requests a second with it and without, by turns. */
import { mkdirSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../../src/clock.js';
import type { Log } from '../../../src/log.js';
import { AgentHub } from '../../../src/observe/hub.js';
import { spawnPlain } from '../../integration/plain-node.js';
import { waitFor } from '../../integration/wait.js';
import { appFile } from '../../integration/warden-process.js';
import { freePort } from '../../parts/prometheus.js';
import { ask } from '../probe.js';
import type { Scope } from '../scope.js';

const AGENT = fileURLToPath(new URL('../../../dist/agent/index.cjs', import.meta.url));
const UNDER_WAY = 8;
const WARM_MS = 3000;

export interface CostOptions {
  rounds: number;
  /** Milliseconds of each turn, with and without. */
  turnMs: number;
}

/** Requests a second; `on[i]` and `off[i]` are neighbours in time. */
export interface Cost {
  off: number[];
  on: number[];
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

export async function measureCost(scope: Pick<Scope, 'teardown' | 'testdir' | 'signal'>, { rounds, turnMs }: CostOptions): Promise<Cost> {
  const dir = scope.testdir();
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'agent.sock');
  const hub = new AgentHub({ path, statsIntervalMs: 5000, clock: systemClock, log: silent });
  await hub.listen();
  scope.teardown(() => hub.close());
  const port = await freePort();
  const app = spawnPlain(['--require', AGENT, appFile('lab/asked.cjs')], { env: { HEAPWARDEN_SOCKET: path, PORT: String(port) } });
  const ended = new Promise((resolve) => app.once('close', resolve));
  scope.teardown(() => (app.kill('SIGKILL'), ended));
  app.stdout.resume();
  app.stderr.resume();
  await waitFor('the app', () => ask(port).then(() => true, () => false));
  const { pid } = await waitFor('its agent', () => hub.reports()[0]);
  await requestsPerSecond(port, WARM_MS);
  const cost: Cost = { off: [], on: [] };
  for (let round = 0; round < rounds; round++) {
    scope.signal.throwIfAborted();
    // Which is first changes, as a machine may get slower or faster.
    for (const on of round % 2 === 0 ? [false, true] : [true, false]) {
      if (!(await hub.profile(pid, on))) throw new Error('the agent has not heard that it is to profile');
      cost[on ? 'on' : 'off'].push(await requestsPerSecond(port, turnMs));
    }
  }
  return cost;
}

async function requestsPerSecond(port: number, forMs: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: UNDER_WAY });
  const until = performance.now() + forMs;
  let answered = 0;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, agent }, (response) => response.on('end', resolve).on('error', reject).resume()).on('error', reject);
    });
  const client = async (): Promise<void> => {
    for (; performance.now() < until; answered++) await one();
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, client));
  agent.destroy();
  return answered / (forMs / 1000);
}
