/** POSIX: signals, and process groups. Windows has neither: there it is taskkill.ts. */
import type { Clock } from '../clock.js';
import { isAlive } from './alive.js';
import type { ProcessId, ProcessTable, StopOutcome } from './contract.js';
import { taskkillTree } from './taskkill.js';
import { untilGone, withNewChildren } from './tree.js';

const POLL_MS = 50;
/** The kernel needs a moment to take a killed process apart, more where it holds gigabytes. */
const KILL_TIMEOUT_MS = 5000;
/** For those of a group that no tree names. Short: a zombie that nobody reaps never leaves its group. */
const GROUP_TIMEOUT_MS = 500;

export interface StopOptions {
  processes: ProcessTable;
  clock: Clock;
  /** Milliseconds from SIGTERM to SIGKILL. */
  stopTimeoutMs: number;
  /** Told to the process itself; to those whom it leaves behind, SIGTERM in any case. Default SIGTERM. */
  stopSignal?: NodeJS.Signals;
  /** The process leads a group of its own: whoever is left in it goes too, even if it left the tree. */
  ownsGroup: boolean;
}

/**
 * Stops a process with all its descendants: SIGTERM, then SIGKILL for whatever is left after the timeout, so that no
 * orphan keeps the port. Every signal goes to a process whose start time has just been checked. On Windows, which has no
 * signals, taskkill does it, and `stopSignal` and `ownsGroup` mean nothing.
 *
 * SIGTERM goes to the root alone at first. npm and cluster primaries pass it on, and a child that is told twice breaks
 * off its last work. Those whom the root leaves behind are told when it has gone, those whom it does not tell after
 * half of the time.
 */
export async function stopTree(root: ProcessId, options: StopOptions): Promise<StopOutcome> {
  const { processes, clock, stopTimeoutMs, stopSignal = 'SIGTERM', ownsGroup } = options;
  if (process.platform === 'win32') return taskkillTree(root, stopTimeoutMs, options);
  const atFirst = await processes.tree(root);
  if (atFirst.length === 0) return 'gone';
  const toldAt = clock.monotonic();
  await signal([root], stopSignal, options);
  await untilGone([root], toldAt + stopTimeoutMs / 2, POLL_MS, options);
  const tree = await withNewChildren(atFirst, processes);
  await signal(tree.slice(1), 'SIGTERM', options);
  const inTime = await untilGone(tree, toldAt + stopTimeoutMs, POLL_MS, options);
  if (!inTime) {
    const rest = await withNewChildren(tree, processes);
    await signal(rest, 'SIGKILL', options);
    await untilGone(rest, clock.monotonic() + KILL_TIMEOUT_MS, POLL_MS, options);
  }
  if (ownsGroup) await killGroup(root, clock);
  return inTime ? 'exited' : 'killed';
}

async function signal(ids: readonly ProcessId[], name: NodeJS.Signals, { processes }: StopOptions): Promise<void> {
  for (const id of ids) {
    if (await isAlive(id, processes)) kill(id.pid, name);
  }
}

/**
 * Kills whoever is left in the group of a process that has just gone. The group's id is not given away while a member
 * lives, and where none does, pids do not come round in the moment since.
 */
async function killGroup(leader: ProcessId, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + GROUP_TIMEOUT_MS;
  while (kill(-leader.pid, 'SIGKILL') && clock.monotonic() < deadline) await clock.sleep(POLL_MS);
}

/** False where there is nobody (ESRCH), having gone by itself in this very moment, or nobody of ours (EPERM). */
function kill(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
