/** What the allocation profiler costs an app: requests a second with it and without, by turns. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
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

export interface Turn {
  /** Requests a second. */
  perSecond: number;
  /** Requests a second of the app's own CPU time, which other programs on the machine hardly change. */
  perCpuSecond: number;
}

/** `on[i]` and `off[i]` are neighbours in time. */
export interface Cost {
  off: Turn[];
  on: Turn[];
}

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

type Life = Pick<Scope, 'teardown' | 'signal'>;

export async function measureCost(scope: Life, { rounds, turnMs }: CostOptions): Promise<Cost> {
  const dir = mkdtempSync(join(tmpdir(), 'hw-lab-'));
  scope.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'agent.sock');
  const hub = new AgentHub({ path, statsIntervalMs: 5000, clock: systemClock, log: silent });
  await hub.listen();
  scope.teardown(() => hub.close());
  const port = await freePort();
  const env = { HEAPWARDEN_SOCKET: path, PORT: String(port) };
  const app = spawnPlain(['--require', AGENT, appFile('lab/asked.cjs')], { env });
  const ended = new Promise((resolve) => app.once('close', resolve));
  scope.teardown(() => (app.kill('SIGKILL'), ended));
  app.stdout.resume();
  app.stderr.resume();
  await waitFor('the app', () => ask(port).then(() => true, () => false));
  const { pid } = await waitFor('its agent', () => hub.reports()[0]);
  await turn(pid, port, WARM_MS);
  const cost: Cost = { off: [], on: [] };
  for (let round = 0; round < rounds; round++) {
    scope.signal.throwIfAborted();
    // Which is first changes, as a machine may get slower or faster.
    for (const on of round % 2 === 0 ? [false, true] : [true, false]) {
      if (!(await hub.profile(pid, on))) throw new Error('the agent has not heard that it is to profile');
      cost[on ? 'on' : 'off'].push(await turn(pid, port, turnMs));
    }
  }
  return cost;
}

/** utime and stime of proc_pid_stat(5), in seconds; USER_HZ is 100 on every Linux. */
function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function turn(pid: number, port: number, forMs: number): Promise<Turn> {
  const agent = new Agent({ keepAlive: true, maxSockets: UNDER_WAY });
  const cpuBefore = cpuSeconds(pid);
  const until = performance.now() + forMs;
  let answered = 0;
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const request = get({ host: '127.0.0.1', port, agent }, (response) => {
        response.on('end', resolve).on('error', reject).resume();
      });
      request.on('error', reject);
    });
  const client = async (): Promise<void> => {
    for (; performance.now() < until; answered++) await one();
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, client));
  agent.destroy();
  return { perSecond: answered / (forMs / 1000), perCpuSecond: answered / (cpuSeconds(pid) - cpuBefore) };
}
