/** The real program, as a user runs it: `node dist/cli.js serve`, with a folder of its own. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import type { IncidentStatus } from '../../src/publish/incident-shape.js';
import type { AppStatus } from '../../src/publish/app-shape.js';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { freePort } from '../parts/prometheus.js';
import { spawnPlain } from './plain-node.js';
import { waitFor } from './wait.js';
import { killIfThere } from '../parts/kill.js';

export const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
export const appFile = (name: string): string => fileURLToPath(new URL(`../apps/${name}`, import.meta.url));

/** For a warden that does not end to be ended, before tap ends the test and leaves its apps. */
const STOP_MS = 40_000;

export interface WardenSetup {
  /** heapwarden.yml; `state_dir` and `agent_socket` are put before it where it has none of its own. */
  config: string;
  env?: Record<string, string>;
  args?: string[];
  /** What `cli.js serve …` is appended to; without it, Node.js alone. */
  runner?: readonly string[];
  /** Another warden's folder, to go on where it ended. */
  dir?: string;
  port?: number;
}

export class WardenProcess {
  readonly dir: string;
  readonly port: number;
  readonly child: ChildProcess;
  log = '';

  private constructor(dir: string, port: number, child: ChildProcess) {
    this.dir = dir;
    this.port = port;
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk: Buffer) => (this.log += String(chunk)));
  }

  /** Starts it; at the test's end it is stopped, with all that it started. */
  static async start(t: Pick<Test, 'teardown' | 'passing' | 'comment'>, setup: WardenSetup): Promise<WardenProcess> {
    const dir = setup.dir ?? mkdtempSync(join(tmpdir(), 'hw-int-'));
    const port = setup.port ?? (await freePort());
    WardenProcess.writeConfig(dir, setup.config);
    const args = [CLI, 'serve', `--config.file=${join(dir, 'heapwarden.yml')}`, `--web.listen-address=127.0.0.1:${port}`, ...(setup.args ?? [])];
    const [program = process.execPath, ...rest] = setup.runner ?? [];
    const child = spawnPlain([...rest, ...args], { node: program, env: setup.env ?? {} });
    const warden = new WardenProcess(dir, port, child);
    t.teardown(async () => {
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      if (warden.isAlive) await warden.stop();
      clearTimeout(late);
      // After a SIGKILL of the warden its children are left; the file names them by pid and start time.
      if (existsSync(join(dir, 'children.json'))) await endLeftovers(join(dir, 'children.json'));
      if (!t.passing()) t.comment(warden.log);
      rmSync(dir, { recursive: true, force: true });
    });
    return warden;
  }

  static writeConfig(dir: string, config: string): void {
    const places = { state_dir: '.', agent_socket: './agent.sock' };
    const unsaid = Object.entries(places).filter(([key]) => !new RegExp(`^${key}:`, 'm').test(config));
    writeFileSync(join(dir, 'heapwarden.yml'), `${unsaid.map(([key, place]) => `${key}: ${place}\n`).join('')}${config}`);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get isAlive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  get token(): string {
    return readFileSync(join(this.dir, 'token'), 'utf8').trim();
  }

  async ready(): Promise<this> {
    await waitFor(`the warden to be ready; it said:\n${this.log}`, () => {
      if (!this.isAlive) throw new Error(`the warden has ended:\n${this.log}`);
      return fetch(`${this.url}/-/ready`).then(({ ok }) => ok, () => false);
    }, 60_000);
    return this;
  }

  async post(path: string, body?: unknown, token = this.token): Promise<{ status: number; body: unknown }> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }

  async metrics(): Promise<string> {
    return (await fetch(`${this.url}/metrics`)).text();
  }

  /** The value of the series with exactly this name and at least these labels; null where there is none. */
  async metric(name: string, labels: Record<string, string> = {}): Promise<number | null> {
    const line = (await this.metrics())
      .split('\n')
      .find((text) => (text.startsWith(`${name}{`) || text.startsWith(`${name} `)) && Object.entries(labels).every(([key, value]) => text.includes(`${key}="${value}"`)));
    return line === undefined ? null : Number(line.slice(line.lastIndexOf(' ') + 1));
  }

  async apps(): Promise<AppStatus[]> {
    return ((await (await fetch(`${this.url}/api/v1/apps`)).json()) as { apps: AppStatus[] }).apps;
  }

  async pid(app: string, worker = '0'): Promise<number | null> {
    const found = (await this.apps()).find((candidate) => candidate.app === app)?.workers.find((candidate) => candidate.worker === worker);
    return found?.pid ?? null;
  }

  /** Newest first. */
  async incidents(): Promise<IncidentStatus[]> {
    return ((await (await fetch(`${this.url}/api/v1/incidents`)).json()) as { incidents: IncidentStatus[] }).incidents;
  }

  async restarts(): Promise<IncidentStatus[]> {
    return (await this.incidents()).filter(({ action }) => action === 'restart');
  }

  /** The newest restart, as soon as there is one with its outcome. */
  finishedRestart(timeoutMs?: number): Promise<IncidentStatus> {
    return waitFor(
      'a restart with its outcome',
      async () => {
        const [newest] = await this.restarts();
        return newest?.outcome && newest;
      },
      timeoutMs,
    );
  }

  /** Stops it gently; the exit status. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.child.once('exit', (code) => resolve(code)));
    this.child.kill(signal);
    return ended;
  }
}

async function endLeftovers(file: string): Promise<void> {
  const { apps } = JSON.parse(readFileSync(file, 'utf8')) as { apps: Record<string, { pid: number; start: number }[]> };
  const processes = new LinuxProcesses();
  for (const id of Object.values(apps).flat()) {
    for (const member of await processes.tree(id)) killIfThere(member.pid);
  }
}
