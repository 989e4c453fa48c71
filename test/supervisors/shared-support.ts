/** Child apps that share a port, with a real hub that drains them. */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { waitUntilReady } from '../../src/act/ready.js';
import { systemClock } from '../../src/clock.js';
import type { AgentHub } from '../../src/observe/hub.js';
import type { RestartOptions } from '../../src/supervisors/contract.js';
import { builtAgent, openHub, shortFolder } from '../agent/support.js';
import { until } from '../observe/support.js';
import { freePort, runningIn, supervise, type Settings, type Supervised } from './child-support.js';

export const SHARED_APP = fileURLToPath(new URL('../apps/shared-app.cjs', import.meta.url));
const FASTIFY = fileURLToPath(import.meta.resolve('fastify'));

export interface Shared extends Supervised {
  hub: AgentHub;
  url: string;
  /** Where the agents make their sockets. */
  sockets: string;
  /** What the next process is like. */
  setMode(mode: 'well' | 'exit' | 'deaf' | 'sick'): void;
  graceful(changes?: Partial<RestartOptions>): RestartOptions;
  /** Pid of the worker once it accepts on the shared port. */
  serves(worker?: string): Promise<number>;
}

export async function share(t: Test, settings: Settings & { node?: string; how?: string } = {}): Promise<Shared> {
  const { node = process.execPath, how = 'plain', ...others } = settings;
  const sockets = shortFolder(t);
  const agent = builtAgent(sockets);
  const agentSocket = join(sockets, 'agent.sock');
  const { hub } = await openHub(t, agentSocket);
  const port = await freePort();
  const app = await supervise(t, {
    // As tap adds itself to the NODE_OPTIONS of every child, the agent is named here once more.
    command: ['/usr/bin/env', '-u', 'NODE_OPTIONS', node, '--require', agent, SHARED_APP],
    agentEntry: agent,
    agentSocket,
    listen: `127.0.0.1:${port}`,
    drain: ({ pid }, timeoutMs) => hub.drain(pid, timeoutMs),
    ...others,
    env: { PORT: String(port), HOW: how, FASTIFY, ...others.env },
  });
  const url = `http://127.0.0.1:${port}/`;
  return {
    ...app,
    hub,
    url,
    sockets,
    setMode: (mode) => writeFileSync(join(app.folder, 'MODE'), mode),
    graceful: (changes = {}) => {
      const { signal = new AbortController().signal } = changes;
      const check = { http: `${url}health`, timeout: 20_000 };
      const isReady: RestartOptions['isReady'] = (target) => waitUntilReady(check, target, systemClock, signal);
      return { stopTimeoutMs: 10_000, mode: 'graceful', isReady, signal, ...changes };
    },
    serves: async (worker = '0') => {
      const pid = await app.ready(worker);
      await until(`the agent of process ${pid}`, () => hub.report(pid));
      return pid;
    },
  };
}

/** Nothing of a second process is left: no process, no socket, and the slot has the one that runs. */
export async function runsAlone(t: Test, app: Shared, pid: number): Promise<void> {
  t.match(await app.supervisor.slots(), [{ pid, state: 'running' }]);
  t.strictSame((await runningIn(app.folder)).map((id) => id.pid), [pid], 'one process');
  t.strictSame(readdirSync(app.sockets).filter((name) => /\.[01]$/.test(name)), [], 'no door');
}
