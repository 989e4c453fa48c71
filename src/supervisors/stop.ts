import type { Clock } from '../clock.js';
import { isAlive } from './alive.js';
import type { ProcessId, ProcessTable, StopOutcome } from './contract.js';

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
 * orphan keeps the port. Every signal goes to a process whose start time has just been checked.
 *
 * SIGTERM goes to the root alone at first. npm and cluster primaries pass it on, and a child that is told twice breaks
 * off its last work. Those whom the root leaves behind are told when it has gone, those whom it does not tell after
 * half of the time.
 */
export async function stopTree(root: ProcessId, options: StopOptions): Promise<StopOutcome> {
  const { processes, clock, stopTimeoutMs, stopSignal = 'SIGTERM', ownsGroup } = options;
  const atFirst = await processes.tree(root);
  if (atFirst.length === 0) return 'gone';
  const toldAt = clock.monotonic();
  await signal([root], stopSignal, options);
  await untilGone([root], toldAt + stopTimeoutMs / 2, options);
  const tree = await withNewChildren(atFirst, options);
  await signal(tree.slice(1), 'SIGTERM', options);
  const inTime = await untilGone(tree, toldAt + stopTimeoutMs, options);
  if (!inTime) {
    const rest = await withNewChildren(tree, options);
    await signal(rest, 'SIGKILL', options);
    await untilGone(rest, clock.monotonic() + KILL_TIMEOUT_MS, options);
  }
  if (ownsGroup) await killGroup(root, clock);
  return inTime ? 'exited' : 'killed';
}

/** The members and the children that they have by now; the root stays first. */
async function withNewChildren(members: readonly ProcessId[], { processes }: StopOptions): Promise<ProcessId[]> {
  const alive = await Promise.all(members.map((member) => isAlive(member, processes)));
  const trees = await Promise.all(members.filter((_, i) => alive[i]).map((member) => processes.tree(member)));
  return [...new Map([...members, ...trees.flat()].map((id) => [id.pid, id])).values()];
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
  if (process.platform === 'win32') return;
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

async function untilGone(
  ids: readonly ProcessId[],
  deadlineMs: number,
  { processes, clock }: StopOptions,
): Promise<boolean> {
  for (;;) {
    const alive = await Promise.all(ids.map((id) => isAlive(id, processes)));
    if (!alive.includes(true)) return true;
    if (clock.monotonic() >= deadlineMs) return false;
    await clock.sleep(POLL_MS);
  }
}
