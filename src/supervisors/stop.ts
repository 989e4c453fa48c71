import type { Clock } from '../clock.js';
import type { ProcessId, ProcessTable, StopOutcome } from './contract.js';

const POLL_MS = 50;
/** The kernel needs a moment to take a killed process apart, more where it holds gigabytes. */
const KILL_TIMEOUT_MS = 5000;

export interface StopOptions {
  processes: ProcessTable;
  clock: Clock;
  /** Milliseconds from SIGTERM to SIGKILL. */
  stopTimeoutMs: number;
  /** The process leads a group of its own: whoever is left in it goes too, even if it left the tree. */
  ownsGroup: boolean;
}

/**
 * Stops a process with all its descendants: SIGTERM, then SIGKILL for whatever is left after the timeout, so that no
 * orphan keeps the port. Every signal goes to a process whose start time has just been checked.
 */
export async function stopTree(root: ProcessId, options: StopOptions): Promise<StopOutcome> {
  const { processes, clock, stopTimeoutMs } = options;
  const tree = await processes.tree(root);
  if (tree.length === 0) return 'gone';
  await signal(tree, 'SIGTERM', options);
  if (await allGone(tree, clock.now() + stopTimeoutMs, options)) {
    if (options.ownsGroup) signalGroup(root, 'SIGKILL');
    return 'exited';
  }
  // Children born since the first look are in the group, or under one that is still there.
  const late = await Promise.all(tree.map((member) => processes.tree(member)));
  const rest = [...new Map([...tree, ...late.flat()].map((id) => [id.pid, id])).values()];
  await signal(rest, 'SIGKILL', options);
  if (options.ownsGroup) signalGroup(root, 'SIGKILL');
  await allGone(rest, clock.now() + KILL_TIMEOUT_MS, options);
  return 'killed';
}

async function signal(ids: readonly ProcessId[], name: NodeJS.Signals, { processes }: StopOptions): Promise<void> {
  for (const id of ids) {
    if (await isAlive(id, processes)) kill(id.pid, name);
  }
}

/** A group's id cannot be given away while a member lives, so this never hits a stranger. */
function signalGroup(leader: ProcessId, name: NodeJS.Signals): void {
  if (process.platform !== 'win32') kill(-leader.pid, name);
}

function kill(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // ESRCH: it went by itself in this very moment.
  }
}

async function allGone(ids: readonly ProcessId[], deadlineMs: number, { processes, clock }: StopOptions): Promise<boolean> {
  for (;;) {
    const alive = await Promise.all(ids.map((id) => isAlive(id, processes)));
    if (!alive.includes(true)) return true;
    if (clock.now() >= deadlineMs) return false;
    await clock.sleep(POLL_MS);
  }
}

async function isAlive(id: ProcessId, processes: ProcessTable): Promise<boolean> {
  return (await processes.identify(id.pid))?.start === id.start;
}
