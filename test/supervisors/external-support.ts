/** Real processes that something else runs, and the supervisor that finds them. Linux: it reads /proc. */
import { spawn } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import type { ExternalConfig } from '../../src/config/schema.js';
import { processFinder } from '../../src/observe/finder.js';
import { NOT_DRAINED } from '../../src/supervisors/drain.js';
import { ExternalSupervisor, type ExternalOptions } from '../../src/supervisors/external.js';
import { MemoryLog, processes, until } from '../observe/support.js';
import { CHILD_APP, reportFolder, runningIn } from './child-support.js';

/** Of no process: what the tests start is their own, and not heapwarden's. */
export const NOBODY = 2 ** 30;

export interface External {
  supervisor: ExternalSupervisor;
  log: MemoryLog;
}

export function external(config: Partial<ExternalConfig>, options: Partial<ExternalOptions> = {}): External {
  const log = new MemoryLog();
  const supervisor = new ExternalSupervisor({
    app: 'shop',
    config: { restart: { signal: 'SIGTERM' }, timeout: 20_000, ...config },
    processes,
    finder: processFinder(processes),
    drain: async () => NOT_DRAINED,
    clock: systemClock,
    log,
    ownPid: NOBODY,
    ...options,
  });
  return { supervisor, log };
}

export interface Runner {
  folder: string;
  /** Matches the app and nothing else on this machine. */
  match: string;
  /** Pids of the app's processes that have reported and live. */
  pids(): Promise<number[]>;
}

/**
 * What runs an app and starts it again whenever it has ended, as runit does: a shell in a loop, which writes each pid
 * to `folder`/app.pid. `count` of them side by side.
 */
export async function runner(t: Test, env: Record<string, string> = {}, count = 1): Promise<Runner> {
  const folder = await reportFolder(t);
  const app = join(folder, 'server.cjs');
  copyFileSync(CHILD_APP, app); // so that its children are called like it
  const loop = 'while :; do "$0" "$1" & echo $! > "$REPORT_DIR/app.pid"; wait $!; sleep 0.1; done';
  const shells = Array.from({ length: count }, () =>
    spawn('/usr/bin/env', ['-u', 'NODE_OPTIONS', '/bin/sh', '-c', loop, process.execPath, app], {
      env: { ...process.env, REPORT_DIR: folder, ...env },
      stdio: 'ignore',
    }),
  );
  t.teardown(() => {
    for (const shell of shells) shell.kill('SIGKILL'); // the rest is reportFolder's, which ends after that
  });
  const match = `^\\S*node ${app.replaceAll('.', '\\.')}$`;
  const shellPids = new Set(shells.map(({ pid }) => pid));
  const pids = async () => (await runningIn(folder)).map(({ pid }) => pid).filter((pid) => !shellPids.has(pid));
  return { folder, match, pids };
}

/** The pids of a supervisor's slots, once all of them run and none is one of `not`. */
export function runningPids({ supervisor }: External, count = 1, not: readonly number[] = []): Promise<number[]> {
  return until(`${count} running`, async () => {
    const pids = (await supervisor.slots()).flatMap(({ pid }) => pid ?? []);
    return pids.length === count && !pids.some((pid) => not.includes(pid)) ? pids : null;
  });
}
