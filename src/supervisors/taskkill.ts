/** Windows: how a process is stopped with all its descendants. */
import { execFile } from 'node:child_process';
import type { ProcessId, StopOutcome } from './contract.js';
import { systemProgram } from './system-program.js';
import { living, untilGone, withNewChildren, type Lookout } from './tree.js';

/** Each look at the processes starts a program there. */
const POLL_MS = 500;
const KILL_TIMEOUT_MS = 5000;
/** taskkill asks the system, which may be busy ending something large. */
const TASKKILL_TIMEOUT_MS = 15_000;

/** Runs taskkill.exe; its exit status, or null where it could not be run or did not end in time. */
export type RunTaskkill = (args: readonly string[]) => Promise<number | null>;

/**
 * Asks the root to close (WM_CLOSE, which only a process with a window hears) and ends everybody who is left after
 * `stopTimeoutMs`. A console process, as Node is, cannot be asked: taskkill says so by its exit status, and as there is
 * then nothing to wait for, the tree is ended at once.
 *
 * Pids are named one by one rather than by `/T`: that goes by parents' pids alone, whoever has them by now. Every pid
 * goes to taskkill just after its time of creation has been checked.
 * https://learn.microsoft.com/windows-server/administration/windows-commands/taskkill
 */
export async function taskkillTree(
  root: ProcessId,
  stopTimeoutMs: number,
  lookout: Lookout,
  run: RunTaskkill = runTaskkill,
): Promise<StopOutcome> {
  const { processes, clock } = lookout;
  const atFirst = await processes.tree(root);
  if (atFirst.length === 0) return 'gone';
  const deadline = clock.monotonic() + stopTimeoutMs;
  const wasTold = (await run(taskkillArguments([root], 'ask'))) === 0;
  if (wasTold && (await untilGone(atFirst, deadline, POLL_MS, lookout))) return 'exited';
  const rest = await living(await withNewChildren(atFirst, processes), processes);
  if (rest.length > 0) await run(taskkillArguments(rest, 'force'));
  await untilGone(rest, clock.monotonic() + KILL_TIMEOUT_MS, POLL_MS, lookout);
  return rest.length > 0 ? 'killed' : 'exited';
}

/** Pure. */
export function taskkillArguments(ids: readonly ProcessId[], how: 'ask' | 'force'): string[] {
  return [...(how === 'force' ? ['/F'] : []), ...ids.flatMap(({ pid }) => ['/PID', String(pid)])];
}

function runTaskkill(args: readonly string[]): Promise<number | null> {
  return new Promise((resolve) => {
    execFile(systemProgram('taskkill.exe'), args, { windowsHide: true, timeout: TASKKILL_TIMEOUT_MS }, (error) => {
      resolve(error ? (typeof error.code === 'number' ? error.code : null) : 0);
    });
  });
}
