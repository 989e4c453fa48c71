/** The one app, under each of those that may restart it. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../integration/wait.js';
import { WardenProcess } from '../integration/warden-process.js';
import { realPm2, type Pm2 } from '../parts/pm2.js';
import { freePort } from '../parts/prometheus.js';
import { answeringPid } from './probe.js';
import type { Scope } from './scope.js';

const APP = fileURLToPath(new URL('leaky-app.cjs', import.meta.url));
const NAME = 'bench';

/** `polite`: the app says when it is ready and handles signals, as PM2's documentation asks; `plain`: it does not. */
export type Manners = 'plain' | 'polite';

/** A running app whose process, or processes, may be replaced. */
export interface BenchApp {
  port: number;
  /** Replaces every process of the app once; resolves when the restarter says that it is done. */
  restart(): Promise<void>;
}

export interface AppSetup {
  scope: Scope;
  pm2Program: string;
  /** Of resident memory, in MiB; null: none. */
  limitMib: number | null;
  mode: 'graceful' | 'stop_first';
  /** PM2's. */
  execMode: 'fork' | 'cluster';
  manners: Manners;
}

/** PM2 alone, with its own limit. */
export async function startInPm2(setup: AppSetup): Promise<BenchApp> {
  const port = await freePort();
  const pm2 = await realPm2(setup.scope, setup.pm2Program);
  // PM2's M is binary.
  const limit = setup.limitMib === null ? {} : { max_memory_restart: `${setup.limitMib}M` };
  await startPm2App(pm2, setup, { port, ...limit });
  const command = setup.execMode === 'cluster' ? 'reload' : 'restart';
  return { port, restart: () => replacing(pm2, () => pm2.cli(command, NAME)) };
}

/** heapwarden as the parent of the app. */
export async function startInHeapwarden(setup: AppSetup): Promise<BenchApp> {
  const port = await freePort();
  const listen = setup.mode === 'graceful' ? `, listen: "127.0.0.1:${port}"` : '';
  const env = `{ PORT: "${port}", MANNERS: ${setup.manners} }`;
  const supervisor = `child: { command: ["${process.execPath}", "${APP}"], env: ${env}${listen} }`;
  const warden = await WardenProcess.start(setup.scope, { config: configOf(supervisor, setup, port) });
  await warden.ready();
  await waitFor(`an answer of the app; the warden said:\n${warden.log}`, () => answeringPid(port));
  return { port, restart: () => restartByApi(warden) };
}

/** heapwarden over PM2, whose own limit is off. */
export async function startInBoth(setup: AppSetup): Promise<BenchApp> {
  const port = await freePort();
  const pm2 = await realPm2(setup.scope, setup.pm2Program);
  const config = configOf(`pm2: ${NAME}`, setup, port);
  const warden = await WardenProcess.start(setup.scope, { config, env: { PM2_HOME: pm2.home } });
  await warden.ready();
  const agent = `--import=${import.meta.resolve('heapwarden/agent')}`;
  await startPm2App(pm2, setup, { port, node_args: agent }, { HEAPWARDEN_SOCKET: join(warden.dir, 'agent.sock') });
  return { port, restart: () => replacing(pm2, () => restartByApi(warden)) };
}

async function startPm2App(
  pm2: Pm2,
  { execMode, manners }: AppSetup,
  { port, ...settings }: { port: number; max_memory_restart?: string; node_args?: string },
  env: Record<string, string> = {},
): Promise<void> {
  await pm2.start({
    name: NAME,
    script: APP,
    exec_mode: execMode,
    ...(execMode === 'cluster' ? { instances: 2 } : {}),
    ...(manners === 'polite' ? { wait_ready: true } : {}),
    ...settings,
    env: { PORT: String(port), MANNERS: manners, ...env },
  });
  await waitFor('an answer of the app in PM2', () => answeringPid(port));
}

/** Nothing of what makes restarts rare: they are what is measured. */
function configOf(supervisor: string, { limitMib, mode }: AppSetup, port: number): string {
  const limits = limitMib === null ? '' : `\n    limits: { rss: { restart: ${limitMib}MiB, for: 0s } }`;
  const ready = mode === 'graceful' ? `, ready: { http: "http://127.0.0.1:${port}/" }` : '';
  return `sample_interval: 1s
apps:
  - name: ${NAME}
    supervisor: { ${supervisor} }${limits}
    restart: { mode: ${mode}, startup_grace: 0s, cooldown: 0s, budget: 100000/1h${ready} }
`;
}

/** Throws where a process of the app is still the one that it was. */
async function replacing(pm2: Pm2, restart: () => Promise<unknown>): Promise<void> {
  const before = new Set((await pm2.list(NAME)).map(({ pid }) => pid));
  await restart();
  const kept = (await pm2.list(NAME)).filter(({ pid }) => before.has(pid));
  if (kept.length > 0) throw new Error(`still the same after a restart: process ${kept.map(({ pid }) => pid).join(', ')}`);
}

async function restartByApi(warden: WardenProcess): Promise<void> {
  const { status, body } = await warden.post(`/api/v1/apps/${NAME}/restart`, { force: true });
  const { decisions } = body as { decisions?: { incident: string | null }[] };
  if (status !== 202 || !decisions) throw new Error(`heapwarden refused a restart: ${status} ${JSON.stringify(body)}`);
  for (const { incident } of decisions) {
    const done = await waitFor(`the outcome of a restart; the warden said:\n${warden.log}`, async () =>
      (await warden.restarts()).find(({ id, outcome }) => id === incident && outcome), 60_000);
    if (done.outcome?.result !== 'recovered') throw new Error(`a restart failed: ${done.outcome?.sentence}`);
  }
}
