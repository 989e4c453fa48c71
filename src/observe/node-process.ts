/** Whether SIGUSR1 opens the inspector of a process, told from outside (Linux) and before anything is sent. */
import { constants } from 'node:os';
import { open, readFile, readdir } from 'node:fs/promises';
import { findSymbol } from './elf.js';

/** `node::Start(int, char**)`, which Node exports, and nothing that merely speaks Node-API. */
const NODE_START = '_ZN4node5StartEiPPc';

/** By the executable itself, or the libnode it has mapped; never by a name that anything can have. */
export async function isNode(pid: number): Promise<boolean> {
  if (await exportsStart(`/proc/${pid}/exe`)) return true;
  const maps = await readFile(`/proc/${pid}/maps`, 'latin1').catch(() => '');
  const library = / (\/.*\/libnode\.so[.\d]*)$/m.exec(maps)?.[1];
  return library !== undefined && (await exportsStart(`/proc/${pid}/root${library}`));
}

async function exportsStart(path: string): Promise<boolean> {
  const file = await open(path).catch(() => null);
  if (!file) return false;
  try {
    return (await findSymbol(file, NODE_START, 'dynamic')) !== null;
  } catch {
    return false; // no ELF file of this machine's kind
  } finally {
    await file.close();
  }
}

/** The signal masks of /proc/PID/status: bit N-1 is signal N. Format: proc_pid_status(5). */
export interface SignalMasks {
  blocked: bigint;
  ignored: bigint;
  caught: bigint;
}

/** null where the text has none: the process has gone. */
export function parseMasks(status: string): SignalMasks | null {
  const [blocked, ignored, caught] = ['SigBlk', 'SigIgn', 'SigCgt'].map((name) => {
    const mask = new RegExp(`^${name}:\\t([0-9a-f]{16})$`, 'm').exec(status)?.[1];
    return mask === undefined ? null : BigInt(`0x${mask}`);
  }) as [bigint | null, bigint | null, bigint | null];
  return blocked === null || ignored === null || caught === null ? null : { blocked, ignored, caught };
}

const bit = (signal: number): bigint => 1n << BigInt(signal - 1);
const SIGUSR1 = bit(constants.signals.SIGUSR1);
/** Node's thread that opens the inspector blocks every signal there is; V8's and libuv's do not. */
const ALL_BLOCKED = SIGUSR1 | bit(constants.signals.SIGINT) | bit(constants.signals.SIGTERM);

/**
 * Whether a Node process listens for SIGUSR1, as it does not with `--disable-sigusr1`, in its first milliseconds, and
 * when its app has removed a listener of its own. `threads`: the masks of each, the main one first.
 */
export function takesSignal(threads: readonly SignalMasks[]): boolean {
  const [main, ...others] = threads;
  if (!main || !(main.caught & SIGUSR1) || main.blocked & SIGUSR1 || main.ignored & SIGUSR1) return false;
  return others.some(({ blocked }) => (blocked & ALL_BLOCKED) === ALL_BLOCKED);
}

/** Of each thread, the main one first; empty where the process has gone. */
export async function readMasks(pid: number): Promise<SignalMasks[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const statuses = await Promise.all(
    threads
      .map(Number)
      .toSorted((a, b) => Number(b === pid) - Number(a === pid))
      .map((thread) => readFile(`/proc/${pid}/task/${thread}/status`, 'latin1').catch(() => '')),
  );
  return statuses.flatMap((status) => parseMasks(status) ?? []);
}
