/** A child supervisor over test/apps/child-app.cjs, and the end of every process it ever ran. */
import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { systemClock, type Clock } from '../../src/clock.js';
import { ChildSupervisor, type ChildParts } from '../../src/supervisors/child.js';
import type { ProcessId } from '../../src/supervisors/contract.js';
import { NOT_DRAINED } from '../../src/supervisors/drain.js';
import { Leftovers } from '../../src/supervisors/leftovers.js';
import { MemoryLog, plainNode, processes, until } from '../observe/support.js';
import { killIfThere } from '../parts/kill.js';

export const CHILD_APP = fileURLToPath(new URL('../apps/child-app.cjs', import.meta.url));
export const CHILD_WARDEN = fileURLToPath(new URL('../apps/child-warden.mts', import.meta.url));

export interface Report {
  pid: number;
  ppid: number;
  how: string;
  cwd: string;
  env: Record<string, string | undefined>;
}

/** A folder to which the apps of one test report; all of its processes are gone when the test ends. */
export async function reportFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hw-child-'));
  t.teardown(async () => {
    for (const { pid } of await runningIn(folder)) killIfThere(pid);
    await until('the processes of the test to end', async () => (await runningIn(folder)).length === 0);
    await rm(folder, { recursive: true, force: true });
  });
  return folder;
}

/** All live processes that were given this folder to report to, whoever their parents are. */
export async function runningIn(folder: string): Promise<ProcessId[]> {
  const found = await Promise.all(
    [...(await processes.snapshot()).values()].map(async ({ pid, start }) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      return environment.includes(`REPORT_DIR=${folder}\0`) ? { pid, start } : null;
    }),
  );
  return found.filter((id) => id !== null);
}

export function reportsIn(folder: string): Report[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return files.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Report);
}

export const reportOf = (folder: string, pid: number): Promise<Report> =>
  until(`a report of process ${pid}`, () => reportsIn(folder).find((report) => report.pid === pid) ?? null);

export const childOf = (folder: string, pid: number): Promise<Report> =>
  until(`a report of process ${pid}'s child`, () => reportsIn(folder).find(({ ppid }) => ppid === pid) ?? null);

/** Whether the app has ended as it wants to. */
export const hasFinished = (folder: string, pid: number): boolean => readdirSync(folder).includes(`${pid}.done`);

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Supervised {
  supervisor: ChildSupervisor;
  folder: string;
  log: MemoryLog;
  output: string[];
  /** Pid of the one worker that runs, once it has reported. */
  ready(worker?: string): Promise<number>;
}

export type Settings = Partial<ChildParts> & {
  env?: Record<string, string>;
  command?: string[];
  cwd?: string;
  instances?: number;
  listen?: string;
};

/** Not started yet. */
export async function supervise(t: Test, settings: Settings = {}): Promise<Supervised> {
  const { env, command = plainNode(CHILD_APP), cwd, instances = 1, listen, clock = systemClock, ...parts } = settings;
  const folder = await reportFolder(t);
  const log = new MemoryLog();
  const output: string[] = [];
  const supervisor = new ChildSupervisor({
    app: 'shop',
    config: {
      command,
      env: { REPORT_DIR: folder, ...env },
      instances,
      ...(cwd === undefined ? {} : { cwd }),
      ...(listen === undefined ? {} : { listen }),
    },
    agentEntry: null,
    agentSocket: '/nowhere.sock',
    stopTimeoutMs: () => 5000,
    processes,
    leftovers: await Leftovers.open(join(folder, 'children'), { processes, clock, log }),
    drain: async () => NOT_DRAINED,
    clock,
    log,
    onOutput: (app, worker, stream, chunk) => void output.push(`${app}/${worker} ${stream}: ${chunk}`),
    ...parts,
  });
  t.teardown(() => supervisor.close());
  return {
    supervisor,
    folder,
    log,
    output,
    ready: async (worker = '0') => {
      const pid = await until(`worker ${worker} to run`, async () => {
        const slot = (await supervisor.slots()).find((candidate) => candidate.worker === worker);
        return slot?.state === 'running' ? slot.pid : null;
      });
      await reportOf(folder, pid);
      return pid;
    },
  };
}

/** The system's clock, but the waits between crashes are over at once; `onPause` is told of each, in milliseconds. */
export function hurriedClock(isPause: (ms: number) => boolean, onPause: (ms: number) => void): Clock {
  let aheadMs = 0;
  return {
    now: () => systemClock.now() + aheadMs,
    monotonic: () => systemClock.monotonic() + aheadMs,
    sleep: async (ms, signal) => {
      if (!isPause(ms)) return systemClock.sleep(ms, signal);
      onPause(ms);
      aheadMs += ms;
      await systemClock.sleep(1, signal);
    },
  };
}
