/** A real Docker daemon with folders and cgroups of its own, an image of this very Node, and the end of them all. Linux, root. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { readFile, readdir, rmdir } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { DOCKER_ROOT, needParts } from './index.js';
import { lives, procTable, until } from './pm2.js';
import { killIfThere } from './kill.js';

const run = promisify(execFile);
const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
export const IMAGE = 'heapwarden-test/node:1';

/** Path of dockerd, or null after skipping the suite by name: it takes root, beside the part. Under CI that fails it. */
export function needDocker(t: Test): string | null {
  if (process.getuid?.() !== 0) {
    const message = `could not run "${t.name}": a Docker daemon of the test's own takes root`;
    if (process.env['CI']) t.fail(message);
    else t.pass(message, { skip: message });
    return null;
  }
  return needParts(t, 'docker')?.docker ?? null;
}

/** A container to be made of IMAGE. It sees the repository, read-only, at the place where it is. */
export interface ContainerSetup {
  name: string;
  /** Of Node. */
  args: string[];
  env?: Record<string, string>;
  labels?: Record<string, string>;
  /** Folders that it sees at the same place, and may write to. */
  binds?: string[];
  /** Docker's HostConfig, such as { Memory: 64e6 }. */
  host?: Record<string, unknown>;
  /** Docker's container config, such as { Healthcheck: … }. */
  more?: Record<string, unknown>;
}

export interface Docker {
  readonly socketPath: string;
  readonly pid: number;
  /** What the daemon wrote. */
  log(): Promise<string>;
  /** A request of the API, and the JSON of its answer; fails where that is an error. `body`: JSON, or a tar. */
  api(method: string, path: string, body?: object | Buffer): Promise<unknown>;
  /** Makes a container and starts it; its id. */
  run(setup: ContainerSetup): Promise<string>;
  /** Docker's inspect. */
  inspect(name: string): Promise<{ Id: string; State: { Pid: number; Status: string; StartedAt: string } }>;
}

/** At the test's end the daemon and everything that it ever ran are gone, with their files, mounts and cgroups. */
export async function realDocker(t: Pick<Test, 'teardown' | 'passing' | 'comment'>, dockerd: string): Promise<Docker> {
  // Short, as the path of a Unix socket ends at 108 bytes.
  const dir = mkdtempSync(join(tmpdir(), 'hw-dk-'));
  const cgroup = basename(dir);
  const socketPath = join(dir, 's');
  const logFile = join(dir, 'log');
  const libraries = ['usr/lib', 'lib'].map((folder) => join(DOCKER_ROOT, folder, 'x86_64-linux-gnu')).join(delimiter);
  const bins = ['usr/sbin', 'usr/bin'].map((folder) => join(DOCKER_ROOT, folder)).join(delimiter);
  // A mount namespace of its own: what it mounts goes when its last process does.
  const daemon = spawn(
    'unshare',
    [
      '--mount', dockerd, '--iptables=false', '--ip6tables=false', '--bridge=none', `--cgroup-parent=/${cgroup}`,
      `--data-root=${join(dir, 'd')}`, `--exec-root=${join(dir, 'e')}`, `--pidfile=${join(dir, 'p')}`, `--host=unix://${socketPath}`,
    ],
    { env: { PATH: `${bins}${delimiter}${process.env['PATH'] ?? ''}`, LD_LIBRARY_PATH: libraries }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const log = createWriteStream(logFile);
  for (const stream of [daemon.stdout, daemon.stderr]) stream.pipe(log, { end: false });

  const api: Docker['api'] = async (method, path, body) => {
    const { status, text } = await exchange(socketPath, method, path, body);
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`);
    return text === '' ? null : JSON.parse(text.trim().split('\n').at(-1)!);
  };
  const docker: Docker = {
    socketPath,
    pid: daemon.pid!,
    log: () => readFile(logFile, 'utf8'),
    api,
    async run({ name, args, env = {}, labels = {}, binds = [], host = {}, more = {} }) {
      const { Id: id } = (await api('POST', `/containers/create?name=${name}`, {
        Image: IMAGE,
        Cmd: [realpathSync(process.execPath), ...args],
        Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
        Labels: labels,
        ...more,
        HostConfig: { NetworkMode: 'host', Binds: [`${REPOSITORY}:${REPOSITORY}:ro`, ...binds.map((path) => `${path}:${path}`)], ...host },
      })) as { Id: string };
      await api('POST', `/containers/${id}/start`);
      return id;
    },
    inspect: (name) => api('GET', `/containers/${name}/json`) as ReturnType<Docker['inspect']>,
  };

  t.teardown(async () => {
    if (!t.passing()) t.comment((await docker.log()).slice(-5000));
    await endAll(dir);
    await once(log.end(), 'close');
    await removeCgroups(cgroup);
    rmSync(dir, { recursive: true, force: true });
  });
  await until('Docker to answer', async () => {
    if (daemon.exitCode !== null) throw new Error(`dockerd has ended:\n${await docker.log()}`);
    return exchange(socketPath, 'GET', '/_ping').then(({ status }) => status === 200, () => false);
  });
  await api('POST', '/images/create?fromSrc=-&repo=heapwarden-test/node&tag=1', await nodeAsTar());
  return docker;
}

/** This Node and the libraries that it is linked with, each where it is here; an image needs no more to run it. */
async function nodeAsTar(): Promise<Buffer> {
  const node = realpathSync(process.execPath);
  const { stdout: linked } = await run('ldd', [node]);
  const files = [node, ...(linked.match(/\/\S+/g) ?? [])].map((path) => path.slice(1));
  const tar = ['--create', '--dereference', '--directory=/', ...files];
  return (await run('tar', tar, { encoding: 'buffer', maxBuffer: 1e9 })).stdout;
}

function exchange(socketPath: string, method: string, path: string, body?: object | Buffer): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
    const sent = request({ socketPath, method, path, agent: false, headers: { host: 'docker', 'content-type': type } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => (text += more));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text })).on('error', reject);
    });
    sent.on('error', reject).end(body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  });
}

/**
 * All of them have the unique folder on their command line: the daemon, containerd and each container's shim, whose
 * tree holds the container. Again until nobody is left: the daemon may start a container anew while it still lives.
 */
async function endAll(dir: string): Promise<void> {
  await until('all of Docker to end', async () => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const ours = await Promise.all(pids.map((pid) => isOf(dir, pid)));
    const roots = await Promise.all(pids.filter((_, i) => ours[i]).map((pid) => procTable.identify(pid)));
    for (const root of roots) {
      for (const member of root ? await procTable.tree(root) : []) {
        if (await lives(member)) killIfThere(member.pid);
      }
    }
    return roots.every((root) => root === null);
  });
}

async function isOf(dir: string, pid: number): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return commandLine.includes(`${dir}/`) && /dockerd|containerd/.test(commandLine.split('\0')[0]!);
}

/** A process that was killed is in its cgroup until it has been waited for. */
async function removeCgroups(name: string): Promise<void> {
  for (const hierarchy of ['', ...(await readdir('/sys/fs/cgroup'))]) {
    const parent = join('/sys/fs/cgroup', hierarchy, name);
    const inside = await readdir(parent, { withFileTypes: true }).catch(() => []);
    const folders = inside.filter((entry) => entry.isDirectory()).map((entry) => join(parent, entry.name));
    for (const folder of [...folders, parent]) {
      await until(`${folder} to be empty`, () => rmdir(folder).then(() => true, ({ code }) => code === 'ENOENT' || code === 'ENOTDIR'));
    }
  }
}
