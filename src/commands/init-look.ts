/** What runs on this machine, as far as it lets itself be seen. Asks and reads; changes nothing. */
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../errors.js';
import { childrenByParent, withDescendants } from '../observe/identity.js';
import { listeningOf } from '../observe/listening.js';
import type { Pm2Client, Pm2Process } from '../supervisors/pm2-rpc.js';
import type { ProcessFinder, SeenProcess } from '../supervisors/contract.js';
import type { Found, FoundApp } from './init-text.js';

type Seen = SeenProcess & { commandLine: string | null };

export interface Sources {
  pm2: Pick<Pm2Client, 'list' | 'settings'>;
  finder: Pick<ProcessFinder, 'withCommandLines'>;
  /** What systemctl prints; rejects where there is no systemd to ask. */
  systemctl(...args: string[]): Promise<string>;
  /** The JSON of a GET request to the Docker Engine; rejects where there is none. */
  docker(path: string): Promise<unknown>;
  isNode(pid: number): Promise<boolean>;
  /** TCP ports that a process listens on. */
  portsOf(pid: number): Promise<number[]>;
  /** Memory of each process with its children, in bytes, by pid. */
  measure(pids: readonly number[]): Promise<ReadonlyMap<number, number>>;
  ownPid: number;
  platform: NodeJS.Platform;
}

/** Which of the processes an app has, on the way to what the config says of it. */
type Sighting = Omit<FoundApp, 'rssBytes'> & { pids: number[] };
interface Look {
  apps: Sighting[];
  leftOut: string[];
  /** Pids that `leftOut` speaks of. */
  told: number[];
}

const NOT_IN_HERE = "another user's, with another PM2_HOME, or without an app that runs";

const nothing = (...leftOut: string[]): Look => ({ apps: [], leftOut, told: [] });

/** Never rejects: what does not answer is named. */
export async function lookAround(sources: Sources): Promise<Found> {
  const all = await sources.finder.withCommandLines();
  const looks = await Promise.all([lookAtPm2(sources), lookAtSystemd(sources, all), lookAtDocker(sources, all)]);
  const children = childrenByParent(all);
  const treeOf = (pid: number) => (all.has(pid) ? withDescendants<Seen>(all.get(pid)!, children).map((member) => member.pid) : []);
  const isOwn = (pid: number) => treeOf(pid).includes(sources.ownPid);

  // PM2 under systemd, or a container's own PM2: the inner one knows the apps.
  const [pm2, ...outer] = looks;
  const managers = outer.map(({ apps, leftOut, told }): Look => {
    const pids = pm2.apps.flatMap((app) => app.pids);
    const isAbovePm2App = (pid: number) => treeOf(pid).some((below) => below !== pid && pids.includes(below));
    const runsOurs = (app: Sighting) => app.pids.some(isAbovePm2App);
    const runsPm2 = (app: Sighting) => runsOurs(app) || app.pids.some((pid) => isPm2(all.get(pid)!));
    const whose = (app: Sighting) => (runsOurs(app) ? ', whose apps are in here' : `: ${NOT_IN_HERE}`);
    const left = apps.filter(runsPm2);
    return {
      apps: apps.filter((app) => !runsPm2(app) && !app.pids.some(isOwn)),
      told: [...told, ...left.flatMap((app) => app.pids)],
      leftOut: [...leftOut, ...left.map((app) => `${app.name}: it runs PM2${whose(app)}`)],
    };
  });
  const known = [pm2, ...managers];
  const managed = known.flatMap(({ apps }) => apps.flatMap(({ pids }) => pids));
  const taken = new Set([...managed.flatMap(treeOf), ...known.flatMap(({ told }) => told)]);
  // What runs one of them, as PM2's daemon, is none itself.
  const isNone = (pid: number) => taken.has(pid) || treeOf(pid).some((below) => below === sources.ownPid || managed.includes(below));
  const bare = await lookAtPorts(sources, all, isNone);
  const apps = [...known, bare].flatMap((look) => look.apps);
  const memory = await sources.measure(apps.flatMap(({ pids }) => pids)).catch(() => new Map<number, number>());
  return {
    apps: apps.map(({ pids, ...app }) => ({ ...app, rssBytes: pids.flatMap((pid) => memory.get(pid) ?? []) })),
    leftOut: [...known, bare].flatMap((look) => look.leftOut),
  };
}

async function lookAtPm2({ pm2 }: Sources): Promise<Look> {
  const list = await pm2.list().catch(() => null);
  if (!list) return nothing("PM2: no daemon of this user's answers");
  const look = nothing();
  const own = list.filter(({ standsInFor }) => standsInFor === null);
  for (const name of new Set(own.map((found) => found.name))) {
    const processes = own.filter((found) => found.name === name);
    const settings = await pm2.settings(processes[0]!.pmId).catch(() => null);
    if (settings?.['pmx_module']) look.leftOut.push(`PM2's ${name}: a module of PM2's own`);
    else look.apps.push(pm2App(name, processes, settings));
  }
  return look;
}

function pm2App(name: string, processes: readonly Pm2Process[], settings: Record<string, unknown> | null): Sighting {
  const pids = processes.flatMap(({ pid }) => pid ?? []);
  const mode = processes[0]!.clustered ? 'cluster mode' : 'fork mode';
  const notes = [`PM2 runs it, ${countOf(processes.length, 'process', 'processes')} in ${mode}${pids.length === 0 ? '; it is stopped now' : ''}.`];
  if (settings?.['max_memory_restart']) {
    notes.push("PM2 restarts it by itself, too (max_memory_restart): take that out of PM2's config, or two decide.");
  }
  return { by: 'pm2', name, pids, comesBack: true, notes };
}

async function lookAtSystemd({ systemctl, isNode }: Sources, all: ReadonlyMap<number, Seen>): Promise<Look> {
  let printed: string;
  try {
    printed = await systemctl('show', '*.service', '--property=Id,MainPID,Restart', '--no-pager');
  } catch (error) {
    return nothing(`systemd: ${firstLine(messageOf(error))}`);
  }
  const look = nothing();
  for (const { id, mainPid, restart } of parseUnits(printed)) {
    if (!all.has(mainPid) || !(await isNode(mainPid))) continue;
    if (/^heapwarden\b/.test(id) || isHeapwarden(all.get(mainPid)!)) {
      look.leftOut.push(`${id}: it is heapwarden`);
      look.told.push(mainPid);
    } else look.apps.push({ by: 'systemd', name: id, pids: [mainPid], comesBack: true, notes: [`systemd runs it (Restart=${restart}).`] });
  }
  return look;
}

/** Blocks of `Name=value` lines, an empty line between two: systemctl(1), show. */
export function parseUnits(printed: string): { id: string; mainPid: number; restart: string }[] {
  return printed.split(/\n\s*\n/).flatMap((block) => {
    const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(block)?.[1] ?? '';
    const mainPid = Number(value('MainPID'));
    return value('Id') && mainPid > 0 ? [{ id: value('Id'), mainPid, restart: value('Restart') || 'no' }] : [];
  });
}

async function lookAtDocker({ docker, isNode }: Sources, all: ReadonlyMap<number, Seen>): Promise<Look> {
  const list = await docker('/containers/json').catch(() => null);
  if (!Array.isArray(list)) return nothing('Docker: its socket does not answer this user');
  const children = childrenByParent(all);
  const look = nothing();
  for (const { Id, Names, Image } of list as { Id?: unknown; Names?: unknown[]; Image?: unknown }[]) {
    const details = (await docker(`/containers/${String(Id)}/json`).catch(() => null)) as { State?: { Pid?: number } } | null;
    const name = String(Names?.[0] ?? '').replace(/^\//, '');
    const main = all.get(details?.State?.Pid ?? 0);
    if (!name) continue;
    if (!main) {
      look.leftOut.push(`container ${name}: its processes cannot be seen from here`);
      continue;
    }
    const tree = withDescendants<Seen>(main, children);
    const nodes = await Promise.all(tree.map(({ pid }) => isNode(pid)));
    if (!nodes.includes(true)) continue;
    if (tree.some(isHeapwarden)) {
      look.leftOut.push(`container ${name}: it is heapwarden`);
      look.told.push(...tree.map(({ pid }) => pid));
    } else look.apps.push({ by: 'docker', name, pids: [main.pid], comesBack: true, notes: [`A container of ${String(Image)}.`] });
  }
  return look;
}

/** The port of Node's inspector (--inspect), on which no app serves. */
const INSPECTOR_PORT = 9229;

/** Node processes with a port, other than those that `isNone` knows. */
async function lookAtPorts(
  { isNode, portsOf, platform }: Sources,
  all: ReadonlyMap<number, Seen>,
  isNone: (pid: number) => boolean,
): Promise<Look> {
  if (platform !== 'linux') return nothing('processes that nothing manages: they are only looked for on Linux');
  const look = nothing();
  const seen = new Set<number>();
  for (const found of [...all.values()].toSorted((a, b) => a.startedAtMs - b.startedAtMs)) {
    const { pid } = found;
    if (isNone(pid) || !(await isNode(pid))) continue;
    const port = (await portsOf(pid)).toSorted((a, b) => a - b).find((candidate) => candidate !== INSPECTOR_PORT);
    if (port === undefined || seen.has(port)) continue; // a worker of a cluster holds its primary's port
    seen.add(port);
    if (isHeapwarden(found)) look.leftOut.push(`process ${pid}, port ${port}: it is heapwarden`);
    else if (isPm2(found)) look.leftOut.push(`process ${pid}, port ${port}: a PM2 of another user's, or with another PM2_HOME`);
    else look.apps.push(bareApp(found, port, all));
  }
  return look;
}

/** Programs that start again what they have started and what has ended. */
const RESTARTERS = /(?:^|[/ ])(?:supervisord|runsv|s6-supervise|perpd?|supervise)(?: |$)/;

function bareApp(found: Seen, port: number, all: ReadonlyMap<number, Seen>): Sighting {
  const parent = all.get(found.parent)?.commandLine ?? '';
  const comesBack = RESTARTERS.test(parent);
  const words = (found.commandLine ?? '').split(' ');
  const notes = [`Process ${found.pid}, port ${port}: ${shortened(found.commandLine ?? '')}`];
  if (comesBack) notes.push(`Started by ${shortened(parent)}, which starts it again after a SIGTERM.`);
  return { by: 'port', name: nameOf(words) ?? `node-${port}`, port, pids: [found.pid], comesBack, notes };
}

/** What its script is called; where that says nothing, the folder that it is in. */
function nameOf(words: readonly string[]): string | null {
  const plain = words.slice(1).filter((word) => word !== '' && !word.startsWith('-'));
  const script = plain.find((word) => /\.[cm]?[jt]s$/.test(word)) ?? plain[0];
  if (script === undefined) return null;
  const name = basename(script).replace(/\.[cm]?[jt]s$/, '');
  const folder = basename(dirname(script));
  return /^(?:index|server|main|app|start|www)$/.test(name) && !/^(?:\.|dist|src|build|bin|)$/.test(folder) ? folder : name;
}

/** An argument may be a secret, and the config is read by more people than the process list. */
function shortened(commandLine: string): string {
  const [program = '', script] = commandLine.split(' ').filter((word) => word !== '' && !word.startsWith('-'));
  return script === undefined ? program : `${program} ${script}`;
}

const isHeapwarden = ({ commandLine }: Seen): boolean => /(?:heapwarden|\bcli\.js)\S* serve(?: |$)/.test(commandLine ?? '');
const isPm2 = ({ commandLine }: Seen): boolean => /^PM2 v[\d.]+: God Daemon/.test(commandLine ?? '');
const firstLine = (text: string): string => text.trim().split('\n')[0] ?? '';
const countOf = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;

const SYSTEMCTL_TIMEOUT_MS = 10_000;
const DOCKER_TIMEOUT_MS = 5000;

/** Throws an Error whose message is a part of a sentence. */
export async function systemctl(...args: string[]): Promise<string> {
  const env = { ...process.env, LC_ALL: 'C' };
  const options = { env, timeout: SYSTEMCTL_TIMEOUT_MS, maxBuffer: 64 * 2 ** 20 };
  const { stdout } = await promisify(execFile)('systemctl', args, options).catch((error: NodeJS.ErrnoException & { stderr?: string }) => {
    throw new Error(error.code === 'ENOENT' ? 'there is none' : firstLine(error.stderr || error.message), { cause: error });
  });
  return stdout;
}

/** The Engine at DOCKER_HOST, where that is a socket, else at its usual place. */
export function dockerSocket(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  const named = /^(?:unix|npipe):\/\/(.+)$/.exec(env['DOCKER_HOST'] ?? '')?.[1];
  return named ?? (platform === 'win32' ? '\\\\.\\pipe\\docker_engine' : '/var/run/docker.sock');
}

export function dockerAt(socketPath: string): Sources['docker'] {
  return (path) =>
    new Promise((resolve, reject) => {
      const sent = request({ socketPath, path, host: 'docker', timeout: DOCKER_TIMEOUT_MS }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode !== 200) return reject(new Error(`HTTP ${response.statusCode}`));
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
          } catch (error) {
            reject(error as Error);
          }
        });
      });
      sent.on('timeout', () => sent.destroy(new Error('no answer')));
      sent.on('error', reject);
      sent.end();
    });
}

export async function portsOf(pid: number): Promise<number[]> {
  return [...new Set((await listeningOf(pid)).map(({ port }) => port))];
}
