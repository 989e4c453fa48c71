/** How the workers of one app are set, as far as Linux tells of them (proc(5)). */
import { execFile } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { AppConfig } from '../../config/schema.js';
import { memoryBounds, type MemoryBound } from '../../observe/cgroup.js';
import { sharesNamespace } from '../../observe/namespaces.js';
import type { AppStatus, WorkerStatus } from '../../publish/app-shape.js';
import type { AgentWorker } from './agents.js';
import { wrapperOf } from './command.js';
import type { Told } from './finding.js';
import type { Pm2Look } from './look-pm2.js';
import { treeIn, type Entry, type ProcessTable } from './processes.js';
import type { AppWorkers } from './workers.js';

export interface WorkerSources {
  table: Told<ProcessTable>;
  warden: Told<readonly AppStatus[]>;
  pm2: Told<Pm2Look>;
  /** A warden runs, whether it answers or not. */
  isHeld: boolean;
}

/** The processes of an app: by the word of the warden that runs, else of PM2. Pure. */
export function workersOf(app: AppConfig, { table, warden, pm2, isHeld }: WorkerSources): AppWorkers {
  const none = (why: string | null): AppWorkers => ({ app, workers: [], why });
  if ('why' in table) return none(table.why);
  const status = 'value' in warden ? warden.value.find(({ app: name, managed }) => managed && name === app.name) : undefined;
  const roots = status
    ? status.workers.flatMap(({ worker, up, pid }) => (up && pid !== null ? [{ worker, pid }] : []))
    : 'value' in pm2
      ? (pm2.value.apps.find((known) => known.app.name === app.name)?.pids ?? []).map((pid, i) => ({ worker: String(i), pid }))
      : [];
  const workers = roots.flatMap(({ worker, pid }) => {
    const tree = treeIn(table.value, pid);
    return tree.length > 0 ? [{ app, worker, tree }] : [];
  });
  if (workers.length > 0) return { app, workers, why: null };
  if (!status && app.supervisor.pm2 !== undefined && 'why' in pm2) return none(pm2.why);
  // What heapwarden runs itself stops with it: without one, there is nothing that could have been missed.
  if (!status && app.supervisor.child && !isHeld) return none(null);
  return none(status || app.supervisor.pm2 !== undefined ? 'no process of it runs' : 'the heapwarden that runs it does not answer');
}

/** Of all processes of an app; null where those of one cannot be read. */
export async function boundsOf({ workers }: AppWorkers): Promise<MemoryBound[] | null> {
  const bounds = await Promise.all(workers.flatMap(({ tree }) => tree.map(({ pid }) => memoryBounds(pid))));
  return bounds.some((some) => some === null) ? null : bounds.flatMap((some) => some ?? []);
}

/** The workers of an app as the warden tells them (process `holder`), with what is to be seen of their own processes. */
export function agentWorkersOf(
  { workers }: AppStatus,
  table: Told<ProcessTable>,
  holder: number | null,
): Promise<AgentWorker[]> {
  const all = 'value' in table ? table.value : new Map<number, Entry>();
  return Promise.all(
    workers.map(async (worker) => {
      const own = nodeIn(all, worker);
      const node = worker.node_version ?? (own && (await nodeVersionOf(own)));
      return { ...worker, node, isInReach: own !== null && (await isInReach(own, all, holder)) };
    }),
  );
}

/** The app's own process, below any wrapper. */
function nodeIn(table: ProcessTable, { pid }: WorkerStatus): Entry | null {
  const tree = pid === null ? [] : treeIn(table, pid);
  return tree.find(({ isNode, words }) => isNode && wrapperOf(words) === null) ?? null;
}

/** What is known to be Node.js is this user's, as only such processes are looked into; so must the warden be. */
async function isInReach({ pid }: Entry, table: ProcessTable, holder: number | null): Promise<boolean> {
  return holder !== null && table.get(holder)?.isOwn === true && sharesNamespace(pid, 'net', holder);
}

/** What its executable says of itself. */
async function nodeVersionOf({ pid }: Entry): Promise<string | null> {
  if (!(await isPlainNode(pid))) return null;
  // Without an environment: NODE_OPTIONS would be its own again.
  const said = promisify(execFile)(`/proc/${pid}/exe`, ['--version'], { env: {}, timeout: 5000 });
  return said.then(({ stdout }) => /^v(\d+\.\d+\.\d+)/.exec(stdout)?.[1] ?? null, () => null);
}

/**
 * Whether it runs Node.js as it comes, from this system's own files. An app that is one executable with Node.js in it
 * would be started a second time by being asked; a container's `node` may be anything, and would run out here.
 */
async function isPlainNode(pid: number): Promise<boolean> {
  const path = await readlink(`/proc/${pid}/exe`).catch(() => '');
  // As the kernel names one that has been replaced since: proc_pid_exe(5).
  return /\/node(?:js)?(?: \(deleted\))?$/.test(path) && sharesNamespace(pid, 'mnt');
}
