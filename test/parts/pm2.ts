/** A real PM2 daemon with a home of its own, its apps, and the end of them all. Linux: it reads /proc. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';
import { LinuxProcesses } from '../../src/observe/linux.js';
import { isAlive } from '../../src/supervisors/alive.js';
import type { ProcessId, ProcessTable, Slot, Supervisor } from '../../src/supervisors/contract.js';
import { Pm2Supervisor, type Pm2Options } from '../../src/supervisors/pm2.js';
import { killIfThere } from './kill.js';

const run = promisify(execFile);
/** Behaves as its HOW says: `stubborn`, `orphan`, `exits`; reports itself to REPORT_DIR. */
export const PM2_APP = fileURLToPath(new URL('../apps/pm2-app.cjs', import.meta.url));

export const procTable: ProcessTable = new LinuxProcesses();

/** Waits for a value that is neither null nor false; fails after 20 s. */
export async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<Exclude<T, false>>> {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const value = await look();
    if (value !== null && value !== undefined && value !== false) return value as NonNullable<Exclude<T, false>>;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`waited 20 s for ${what}`);
}

/** A part of PM2's ecosystem file, in PM2's words. */
export interface Pm2App {
  name: string;
  env?: Record<string, string>;
  [setting: string]: unknown;
}

export interface Pm2 {
  home: string;
  /** Where apps report to, one file a process. */
  reports: string;
  /** Runs PM2's command line and returns what it printed; the first command starts the daemon. */
  cli(...args: string[]): Promise<string>;
  /** Starts an app: PM2_APP unless `script` says otherwise. */
  start(app: Pm2App): Promise<void>;
  /** PM2's own view of an app, by its command line. */
  list(name: string): Promise<{ pid: number; pm_id: number; pm2_env: Record<string, unknown> }[]>;
  /** What the process said of itself, once it has. */
  report(pid: number): Promise<{ foo: string | null; child: number | null }>;
  /** Pid of the daemon as its pid file has it. */
  daemonPid(): number;
  /** SIGKILL for the daemon alone; its apps are left running, until the test's end. */
  killDaemon(): Promise<void>;
}

/** `daemonEnv` is what the daemon has in its environment beside its own. Starts nothing yet. At the test's end the daemon and everything it ever ran are gone, or the test fails. */
export async function realPm2(t: Pick<Test, 'teardown' | 'testdir'>, program: string, daemonEnv: Record<string, string> = {}): Promise<Pm2> {
  // Short, as the path of a Unix socket ends at 108 bytes.
  const home = await mkdtemp(join(tmpdir(), 'hw-pm2-'));
  const reports = t.testdir();
  // Not ours: PM2's variables would lead to another daemon, and PM2 copies the whole environment into every app.
  const env = {
    HOME: home,
    PM2_HOME: home,
    PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
    PM2_DISABLE_VERSION_CHECK: 'true',
    ...daemonEnv,
  };
  await writeFile(join(home, 'touch'), ''); // PM2's mark of "not the first run", which would call home
  let ecosystems = 0;

  const pidFile = join(home, 'pm2.pid');
  const daemonPid = () => Number(readFileSync(pidFile, 'utf8'));
  const pm2: Pm2 = {
    home,
    reports,
    daemonPid,
    async cli(...args) {
      const { stdout } = await run(process.execPath, [program, ...args], { env, cwd: home, maxBuffer: 1e8 });
      return stdout;
    },
    async start(app) {
      const file = join(home, `eco${ecosystems++}.json`);
      const settings = { script: PM2_APP, ...app, env: { REPORT_DIR: reports, ...app.env } };
      await writeFile(file, JSON.stringify({ apps: [settings] }));
      await pm2.cli('start', file);
    },
    async list(name) {
      const printed = await pm2.cli('jlist');
      const all = JSON.parse(printed.slice(printed.indexOf('['))) as Awaited<ReturnType<Pm2['list']>>;
      return all.filter((entry) => entry.pm2_env['name'] === name);
    },
    report: (pid) =>
      until(`a report of process ${pid}`, () =>
        readFile(join(reports, `${pid}.json`), 'utf8').then((text) => JSON.parse(text), () => null)),
    async killDaemon() {
      const daemon = await identify(daemonPid());
      process.kill(daemon.pid, 'SIGKILL');
      await until('the daemon to die', async () => !(await lives(daemon)));
    },
  };

  t.teardown(async () => {
    const daemon = existsSync(pidFile) ? await procTable.identify(daemonPid()) : null;
    if (daemon) {
      await pm2.cli('kill');
      await until('the daemon to end', async () => !(await lives(daemon)));
    }
    for (const id of await childrenOf(home)) {
      killIfThere(id.pid);
      await until(`process ${id.pid} to end`, async () => !(await lives(id)));
    }
    await rm(home, { recursive: true, force: true });
  });
  return pm2;
}

const nothing = () => {};
export const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** The supervisor of one of its apps. */
export function supervisePm2(t: Test, { home }: Pm2, name: string, settings: Partial<Pm2Options> = {}): Pm2Supervisor {
  const parts = { processes: procTable, clock: systemClock, log: silent };
  const supervisor = new Pm2Supervisor({ name, home, ...parts, ...settings });
  t.teardown(() => supervisor.close());
  return supervisor;
}

/** The slots, all of which must be running. */
export async function running(supervisor: Supervisor): Promise<(Slot & { pid: number })[]> {
  return (await supervisor.slots()).map((slot) => {
    if (slot.pid === null || slot.state !== 'running') throw new Error(`worker ${slot.worker} is ${slot.state}`);
    return { ...slot, pid: slot.pid };
  });
}

/** All processes that were given this PM2_HOME, which has a unique name. */
async function childrenOf(home: string): Promise<ProcessId[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const id = await procTable.identify(pid);
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      return environment.includes(`PM2_HOME=${home}\0`) ? id : null;
    }),
  );
  return found.filter((id) => id !== null);
}

/** Who holds this pid; fails where nobody does. */
export async function identify(pid: number): Promise<ProcessId> {
  const id = await procTable.identify(pid);
  if (!id) throw new Error(`there is no process ${pid}`);
  return id;
}

export const lives = (id: ProcessId): Promise<boolean> => isAlive(id, procTable);
