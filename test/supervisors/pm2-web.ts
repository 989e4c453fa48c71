/** A web app in PM2's cluster mode, and graceful restarts of it. */
import { join } from 'node:path';
import type { RestartOptions } from '../../src/supervisors/contract.js';
import { appFile } from '../integration/warden-process.js';
import type { Pm2, Pm2App } from '../parts/pm2.js';
import { freePort } from '../parts/prometheus.js';

const never = new AbortController().signal;
export const graceful = (options: Partial<RestartOptions> = {}): RestartOptions => ({
  mode: 'graceful', stopTimeoutMs: 5000, signal: never, isReady: async () => true, ...options,
});

/** An app that listens; while the file `breaks` exists, its new processes do as it says. */
export async function webCluster(pm2: Pm2, settings: Partial<Pm2App> = {}) {
  const breaks = join(pm2.reports, 'break');
  const port = String(await freePort());
  const env = { APP_PORT: port, FOO: 'kept', BREAK_IF: breaks, ...settings.env };
  const script = appFile('pm2-web.cjs');
  await pm2.start({ name: 'web', script, exec_mode: 'cluster', instances: 2, listen_timeout: 1000, ...settings, env });
  return { breaks, url: `http://127.0.0.1:${port}/` };
}

export const settingsOf = async (pm2: Pm2) => (await pm2.list('web')).map(({ pm2_env: env }) => env);

/** What PM2 writes there itself; all the rest are settings. */
const NOTES = [
  'restart_time', 'created_at', 'pm_uptime', 'prev_restart_delay', 'exit_code', '_tree_pids', 'node_version',
  'axm_options', 'axm_actions', 'axm_monitor',
];
export const withoutNotes = (env: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(env).filter(([key]) => !NOTES.includes(key)));
