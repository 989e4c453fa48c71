/** A warden, or PM2's daemon, over so many workers. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../../integration/wait.js';
import { WardenProcess } from '../../integration/warden-process.js';
import { realPm2 } from '../../parts/pm2.js';
import type { Scope } from '../scope.js';

const AGENTS = fileURLToPath(new URL('agents.cjs', import.meta.url));
const IDLE_APP = fileURLToPath(new URL('idle-app.cjs', import.meta.url));
/** Milliseconds for all workers to be there, and all agents. */
const PATIENCE_MS = 120_000;
/** Milliseconds for a warden to stop all its workers. */
const STOP_MS = 60_000;

/**
 * `sleep`: processes of /bin/sleep, which take next to nothing; their agents are simulated, by one process that speaks
 * the real protocol for all. `node`: real Node.js processes, with the real agent.
 */
export type WorkerKind = 'sleep' | 'node';

export interface Subject {
  pid: number;
  /** As a Prometheus does it; null where there is nothing to scrape. */
  scrape: (() => Promise<string>) | null;
}

export interface WardenOf {
  workers: number;
  kind: WorkerKind;
  hasAgents: boolean;
}

export async function startWarden(scope: Scope, { workers, kind, hasAgents }: WardenOf): Promise<Subject> {
  const command = kind === 'sleep' ? ['/bin/sleep', '1000000'] : [process.execPath, IDLE_APP];
  const config = `sample_interval: 5s
apps:
  - name: many
    supervisor: { child: { command: ${JSON.stringify(command)}, instances: ${workers} } }
    runtime: ${hasAgents ? 'agent' : 'none'}
    limits:
      rss: { warning: 500MB, critical: 700MB, restart: 768MB }
      heap: { warning: 80%, critical: 90%, restart: 95% }
      freeze: { critical: 30s, restart: 60s }
`;
  const warden = await WardenProcess.start(scope, { config, args: ['--log.level=warn'] });
  scope.teardown(() => stopInTime(warden));
  await warden.ready();
  const pids = await waitFor(`${workers} workers; the warden said:\n${warden.log}`, async () => {
    const own = (await warden.apps()).flatMap(({ workers: all }) => all.flatMap(({ pid }) => pid ?? []));
    return own.length === workers && own;
  }, PATIENCE_MS);
  if (hasAgents && kind === 'sleep') await simulateAgents(scope, join(warden.dir, 'agent.sock'), pids);
  if (hasAgents) {
    const connected = () => warden.metric('heapwarden_agents_connected');
    await waitFor(`${workers} agents`, async () => (await connected()) === workers, PATIENCE_MS);
  }
  return { pid: warden.child.pid!, scrape: () => warden.metrics() };
}

/** One that does not come to its end must not keep the bench, nor the machine. */
async function stopInTime(warden: WardenProcess): Promise<void> {
  if (!warden.isAlive) return;
  const timer = setTimeout(() => {
    console.error(`the warden has not stopped in ${STOP_MS / 1000} s, and is killed`);
    warden.child.kill('SIGKILL');
  }, STOP_MS);
  await warden.stop();
  clearTimeout(timer);
}

async function simulateAgents(scope: Scope, socket: string, pids: readonly number[]): Promise<void> {
  const child = fork(AGENTS, { execArgv: [], env: { PATH: process.env['PATH'] } });
  const gone = once(child, 'exit');
  scope.teardown(() => (child.kill('SIGKILL'), gone));
  const answer = once(child, 'message');
  child.send({ socket, pids });
  const [{ error }] = (await answer) as [{ error?: string }];
  if (error !== undefined) throw new Error(`the simulated agents: ${error}`);
  child.on('message', (later) => console.error('the simulated agents:', later));
}

/** PM2's daemon with what it loads into each app by default, by which they report to it. */
export async function startPm2(scope: Scope, program: string, workers: number): Promise<Subject> {
  const pm2 = await realPm2(scope, program);
  await pm2.start({ name: 'many', script: IDLE_APP, instances: workers, exec_mode: 'fork' });
  await waitFor(`${workers} workers of PM2`, async () => (await pm2.list('many')).filter(({ pid }) => pid > 0).length === workers, PATIENCE_MS);
  return { pid: pm2.daemonPid(), scrape: null };
}
