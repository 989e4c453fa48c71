import { HeapwardenError, messageOf } from '../errors.js';
import { isAlive } from './alive.js';
import type { RestartOptions } from './contract.js';
import type { Pm2Bus } from './pm2-bus.js';
import { Family, KILL_MARGIN_MS } from './pm2-family.js';
import { comesUp } from './pm2-ready.js';
import type { Pm2Parts } from './pm2-restart.js';
import { STAND_IN_VARIABLE, type Pm2Process } from './pm2-rpc.js';

/**
 * What a stand-in has otherwise than the process whose place it holds. It writes to the same log files. A number of its
 * own is what `instances: 1` has PM2 give it, as if the app had been scaled up by one; a variable that PM2 would count
 * up (increment_var, most often a port) stays the same, so that it serves where the other one did.
 */
const DIFFERENCES = {
  instances: 1,
  merge_logs: true,
  autostart: true,
  autorestart: false,
  watch: false,
  // JSON leaves these out.
  pm_id: undefined,
  created_at: undefined,
  _tree_pids: undefined,
  cron_restart: undefined,
  increment_var: undefined,
  max_memory_restart: undefined,
  restart_delay: undefined,
  exp_backoff_restart_delay: undefined,
};

/**
 * Starts a stand-in for one process of a cluster, and resolves to its id when it is ready to serve. Throws
 * HeapwardenError NOT_READY where it does not get so far; it has been removed then.
 */
export async function startStandIn(
  target: Pm2Process,
  options: Pick<RestartOptions, 'stopTimeoutMs' | 'isReady' | 'signal'>,
  bus: Pm2Bus,
  parts: Pm2Parts,
): Promise<number> {
  const { client, name, processes, readyMessageMs } = parts;
  const settings = await client.settings(target.pmId);
  if (!settings) throw new HeapwardenError('SUPERVISOR_REFUSED', `PM2 has no process ${target.pmId} any more`);
  const patienceMs = (target.waitsReady ? target.listenTimeoutMs : 0) + KILL_MARGIN_MS + client.timeoutMs;
  const wanted = { ...settings, ...DIFFERENCES, [STAND_IN_VARIABLE]: `${target.pmId}:${target.pid}` };
  // Not broken off by the signal: what PM2 starts must be known, to be removed.
  const pmId = startedId(await client.call('prepare', wanted, patienceMs));
  let why = 'it ended at once';
  try {
    const standIn = (await client.listNow()).find((found) => found.pmId === pmId);
    const process = standIn?.pid ? await processes.identify(standIn.pid) : null;
    if (standIn && process) {
      if (await comesUp(standIn, process, options, bus, parts)) return pmId;
      const message = target.waitsReady || readyMessageMs() !== null ? ', or never said "ready" to PM2' : '';
      why = (await isAlive(process, processes)) ? `it runs, but did not become ready${message}` : 'it ended';
    }
  } catch (error) {
    await removeStandIn(pmId, options, parts);
    throw error;
  }
  await removeStandIn(pmId, options, parts);
  const said = `"pm2 logs ${name}" has what it said`;
  throw new HeapwardenError('NOT_READY', `a new process of "${name}" did not come up: ${why}; ${said}`);
}

/** PM2 answers with a copy of what it holds of each process it has started. */
function startedId(answer: unknown): number {
  const [started] = Array.isArray(answer) ? (answer as unknown[]) : [];
  const { pm2_env: env } = (started ?? {}) as { pm2_env?: { pm_id?: unknown } };
  if (typeof env?.pm_id === 'number') return env.pm_id;
  throw new HeapwardenError('SUPERVISOR_REFUSED', 'PM2 was asked to start a process, and does not say which one it is');
}

/**
 * Lets a stand-in finish its requests, unless `signal` aborts, then has PM2 delete it. Never rejects: one that stays is
 * tried again later.
 */
export async function removeStandIn(
  pmId: number,
  { stopTimeoutMs, signal }: Pick<RestartOptions, 'stopTimeoutMs' | 'signal'>,
  parts: Pm2Parts,
): Promise<void> {
  const { client, drain, log, name } = parts;
  try {
    const family = await Family.of((await findStandIn(pmId, parts))?.pid ?? null, parts);
    if (family.root && !signal.aborted) await drain(family.root, stopTimeoutMs);
    // Ids begin anew with the daemon: it may be somebody else's by now.
    if (!(await findStandIn(pmId, parts))) return;
    const over = new AbortController();
    const patienceMs = stopTimeoutMs + KILL_MARGIN_MS + client.timeoutMs;
    await Promise.all([
      family.killAfter(stopTimeoutMs, over.signal),
      client.call('deleteProcessId', pmId, patienceMs).finally(() => over.abort()),
    ]);
    await family.kill();
  } catch (error) {
    const todo = `"pm2 delete ${pmId}" removes it where heapwarden does not`;
    const may = `a stand-in for "${name}" (pm_id ${pmId}) may be left in PM2, ${todo}`;
    log.warn(`${may}: ${messageOf(error)}`, { app: name });
  }
}

async function findStandIn(pmId: number, { client, name }: Pm2Parts): Promise<Pm2Process | undefined> {
  const list = await client.listNow();
  return list.find((found) => found.pmId === pmId && found.name === name && found.standsInFor !== null);
}
