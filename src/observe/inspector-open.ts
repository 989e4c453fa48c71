/** Linux: SIGUSR1, and /proc to know beforehand what it would do. Elsewhere every process is refused. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import type { ProcessId } from '../supervisors/contract.js';
import { AttachLock } from './attach-lock.js';
import { sameProcess } from './identity.js';
import { InspectorClient } from './inspector-client.js';
import { listeningBeside, listeningOf, type Listening } from './listening.js';
import { sharesNamespace } from './namespaces.js';
import { isNode, readMasks, takesSignal } from './node-process.js';
import { hasOwnHandler } from './own-handler.js';
import type { ProcessFacts, ProcessSource } from './processes.js';
import { hasEstablished } from './signs.js';

/** Why the inspector of a process cannot be had. All but `no_answer` and `not_it` before anything is sent to it. */
export type InspectorRefusal =
  | 'unsupported_platform' // not Linux
  | 'gone'
  | 'other_user'
  | 'other_network' // its loopback is not ours: a container's
  | 'not_node' // SIGUSR1 may kill it
  | 'too_young' // SIGUSR1 kills Node in its first milliseconds
  | 'disabled' // --disable-sigusr1, or SIGUSR1 is blocked, ignored or at its default
  | 'own_handler' // its app listens for SIGUSR1 itself
  | 'debugged' // somebody is connected to its inspector
  | 'port_taken' // another program listens where its inspector would
  | 'busy' // another process of this machine is being attached to
  | 'no_answer' // it was sent SIGUSR1, and opened no inspector, or none that answers
  | 'not_it'; // the inspector's process is another one

export interface Refused {
  refusal: InspectorRefusal;
  /** What happened and what to do, as a sentence's end: `… was not attached to: it …`. */
  why: string;
  /**
   * Where the signal was sent in vain: an inspector that opens after all, as at the end of a long native call, is closed
   * at once. True when that has happened or the process has gone; false where neither came about in ten minutes. Never
   * rejects.
   */
  closedLater?: Promise<boolean>;
}

export interface InspectorOptions {
  processes: ProcessSource;
  /** Milliseconds for all of: signal, port, connection, proof. */
  timeoutMs: number;
}

/** Node in its first 10 ms dies of SIGUSR1; a slow start has its time too. */
const LEAST_AGE_MS = 1000;
/** Where Node opens its inspector on SIGUSR1, unless it was started with `--inspect-port`. */
const DEFAULT_PORT = 9229;
const POLL_MS = 2;
const RESUME_MS = 500;
const LATE_POLL_MS = 500;
const LATE_MS = 600_000;
const LATE_TIMEOUT_MS = 2000;

/** Refusals that another try may not meet. */
const PASSING: ReadonlySet<string> = new Set<InspectorRefusal>(['too_young', 'debugged', 'port_taken', 'busy']);

/** Whether the same process may be tried again later. */
export function mayPass(refusal: string): boolean {
  return PASSING.has(refusal);
}

interface OpenParts {
  process: ProcessId;
  client: InspectorClient;
  listening: Listening;
  /** It was open by the app's own wish. */
  keepsOpen: boolean;
  beganAt: number;
  lock: AttachLock;
}

/** The open inspector of one process, proven to be that process's, and connected to. Must be closed. */
export class OpenInspector {
  readonly #parts: OpenParts;
  #closed: Promise<boolean> | undefined;

  constructor(parts: OpenParts) {
    this.#parts = parts;
  }

  get process(): ProcessId {
    return this.#parts.process;
  }

  get client(): InspectorClient {
    return this.#parts.client;
  }

  /** By `performance.now()`, just before the signal; where it was open already, before the connection. */
  get beganAt(): number {
    return this.#parts.beganAt;
  }

  get port(): number {
    return this.#parts.listening.port;
  }

  /**
   * Disconnects, and closes the inspector where it was not open by the app's own wish. True once its port is closed,
   * seen from outside, or its process gone; false where it is not within `timeoutMs`: the process is in a long native
   * call, at whose end it closes. Never rejects.
   */
  close(timeoutMs = 2000): Promise<boolean> {
    this.#closed ??= this.#close(timeoutMs).finally(() => this.#parts.lock.release());
    return this.#closed;
  }

  async #close(timeoutMs: number): Promise<boolean> {
    const { client, keepsOpen, listening, process } = this.#parts;
    if (keepsOpen) {
      client.close();
      return true;
    }
    await endInspector(client);
    const until = performance.now() + timeoutMs;
    for (;;) {
      if (!(await listeningOf(process.pid)).some(({ inode }) => inode === listening.inode)) return true;
      if (performance.now() > until) return false;
      await sleep(POLL_MS);
    }
  }
}

/**
 * Opens the inspector of a Node process that was not prepared for it, by SIGUSR1, and connects to it. Nothing is sent
 * to what is not certainly Node, or does something else on that signal. The process says so on its stderr ("Debugger
 * listening on …"), which nobody can prevent. It works in an endless loop too; not in one long native call.
 */
export async function openInspector(pid: number, options: InspectorOptions): Promise<OpenInspector | Refused> {
  if (process.platform !== 'linux') return refused('unsupported_platform', 'attaching works on Linux only');
  const lock = await AttachLock.take();
  if (!lock) return refused('busy', 'another process of this machine is being attached to just now; try again');
  let opened: OpenInspector | Refused | undefined;
  try {
    opened = await openLocked(pid, options, lock);
    return opened;
  } finally {
    if (!(opened instanceof OpenInspector)) await lock.release();
  }
}

async function openLocked(
  pid: number,
  { processes, timeoutMs }: InspectorOptions,
  lock: AttachLock,
): Promise<OpenInspector | Refused> {
  const facts = (await processes.snapshot()).get(pid);
  if (!facts) return gone();
  const objection = await objectionTo(facts);
  if (objection) return objection;

  const id = { pid, start: facts.start };
  const exists = async () => sameProcess(await processes.identify(pid), id);
  const options = await inspectorOptions(pid);
  const wanted = portIn(options) ?? DEFAULT_PORT;
  const before = await listeningOf(pid);
  const already = before.find(({ port }) => port === wanted);
  const obstacle = already ? await obstacleAt(pid, already) : await obstacleTo(pid, wanted);
  if (obstacle) return obstacle;

  const beganAt = performance.now();
  const leftMs = () => Math.max(1, Math.ceil(beganAt + timeoutMs - performance.now()));
  // Again, right before: since it was looked at, another process may have got the pid.
  if (!already && !((await exists()) && sendSignal(pid))) return gone();
  const tried = new Set(already ? [] : before.map(({ inode }) => inode));
  let why = 'it has not opened';
  for (; leftMs() > 1; await sleep(POLL_MS)) {
    if (!(await exists())) return gone();
    for (const listening of await listeningOf(pid)) {
      if (tried.has(listening.inode) || (already && already.inode !== listening.inode)) continue;
      tried.add(listening.inode); // one that is no inspector is the app's own, opened just now
      const client = await InspectorClient.connect(listening, leftMs()).catch((error: unknown) => {
        why = messageOf(error);
        return null;
      });
      if (!client) continue;
      const keepsOpen = already !== undefined && opensByItself(options);
      const opened = new OpenInspector({ process: id, client, listening, keepsOpen, beganAt, lock });
      const objection = await objectionInside(opened, leftMs());
      if (objection) await opened.close();
      return objection ?? opened;
    }
    if (already) return refused('port_taken', `it listens on port ${wanted} itself, where its inspector would: ${why}`);
  }
  const text = `it was asked to open its inspector, and within ${timeoutMs} ms ${why}; it may be in a long native call`;
  return { ...refused('no_answer', text), closedLater: closeLater(id, before, processes) };
}

async function obstacleAt(pid: number, { port }: Listening): Promise<Refused | null> {
  const tables = ['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'latin1').catch(() => ''));
  const isUsed = (await Promise.all(tables)).some((table) => hasEstablished(table, port));
  return isUsed ? refused('debugged', `somebody is connected to its inspector on port ${port} already`) : null;
}

async function obstacleTo(pid: number, wanted: number): Promise<Refused | null> {
  if (!(await listeningBeside(pid)).some(({ port }) => port === wanted)) return null;
  const why = `another program listens on port ${wanted}, where its inspector would; stop that one, or start the app ` +
    'with --inspect-port=0';
  return refused('port_taken', why);
}

/** Watches for an inspector that opens when nobody waits for it any more. */
async function closeLater(id: ProcessId, before: readonly Listening[], processes: ProcessSource): Promise<boolean> {
  const known = new Set(before.map(({ inode }) => inode));
  const until = performance.now() + LATE_MS;
  while (performance.now() < until) {
    await sleep(LATE_POLL_MS);
    // What cannot be seen now, for want of descriptors, the next look may see.
    if (await closeFresh(id, known, processes).catch(() => false)) return true;
  }
  return false;
}

/** One look: true where an inspector was there and is closed, or the process has gone. */
async function closeFresh(id: ProcessId, known: ReadonlySet<string>, processes: ProcessSource): Promise<boolean> {
  if (!sameProcess(await processes.identify(id.pid), id)) return true;
  const fresh = (await listeningOf(id.pid)).filter(({ inode }) => !known.has(inode));
  const lock = fresh.length > 0 ? await AttachLock.take() : null; // whoever holds it closes it too
  for (const listening of lock ? fresh : []) {
    const client = await InspectorClient.connect(listening, LATE_TIMEOUT_MS).catch(() => null);
    if (!client) continue;
    const opened = new OpenInspector({ process: id, client, listening, keepsOpen: false, beganAt: 0, lock: lock! });
    if (await opened.close(LATE_MS)) return true;
  }
  await lock?.release();
  return false;
}

/** Everything that can be known before anything is sent. */
async function objectionTo({ pid, startedAtMs }: ProcessFacts): Promise<Refused | null> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => null);
  if (status === null) return gone();
  // Root too: the agent would talk to a socket that is its warden's user's alone.
  const uid = Number(/^Uid:\t(\d+)\t/m.exec(status)?.[1]);
  if (uid !== process.getuid?.()) return refused('other_user', `it is user ${uid}'s, and this is user ${process.getuid?.()}`);
  if (!(await isNode(pid))) return refused('not_node', 'it is no Node.js process, and the signal that opens an inspector kills others');
  if (Date.now() - startedAtMs < LEAST_AGE_MS) return refused('too_young', 'it has just started; try again in a second');
  if (!(await sharesNamespace(pid, 'net'))) {
    return refused('other_network', 'it is in another network namespace (a container), where its inspector cannot be reached');
  }
  if (!takesSignal(await readMasks(pid))) {
    return refused('disabled', 'it does not open its inspector on SIGUSR1 (--disable-sigusr1, or its app blocks it)');
  }
  if ((await hasOwnHandler(pid, SIGUSR1)) === true) {
    return refused('own_handler', 'its app listens for SIGUSR1 itself, which then does not open the inspector');
  }
  return null;
}

/** Linux's number on all machines that Node runs on but MIPS: signal(7). */
const SIGUSR1 = 10;

/** null where the inspector's process is the one that was meant. */
async function objectionInside({ client, process: { pid } }: OpenInspector, timeoutMs: number): Promise<Refused | null> {
  // In a container it has another pid: the last one of these. Format: proc_pid_status(5).
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const inside = Number(/^NSpid:.*\t(\d+)$/m.exec(status)?.[1] ?? pid);
  try {
    const told = await client.evaluate('process.pid', timeoutMs);
    return told === inside ? null : refused('not_it', `the inspector on its port is process ${String(told)}'s`);
  } catch (error) {
    return refused('no_answer', `its inspector opened, and does not answer (${messageOf(error)}): it is in a long native call`);
  }
}

/**
 * The order is what matters: the process closes its inspector when we have gone, since with somebody connected it
 * would wait for them, and its event loop with it. Both reach it in that order, in an endless loop too.
 */
async function endInspector(client: InspectorClient): Promise<void> {
  // A paused process must run on first: one whose inspector is closed in the pause dies of SIGSEGV one time in eight
  // (seen on Node 20 and 22). A paused one answers; one that does not is in a native call, and not paused.
  await client.call('Debugger.disable', {}, RESUME_MS).catch(() => null);
  await client.evaluate('0', RESUME_MS).catch(() => null);
  client.closeBehind('process._debugEnd()');
  await Promise.race([client.ended, sleep(500, undefined, { ref: false })]);
  client.close();
}

/** Of the command line and NODE_OPTIONS, those that concern the inspector. */
async function inspectorOptions(pid: number): Promise<string[]> {
  const [command, environment] = await Promise.all(
    ['cmdline', 'environ'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')),
  );
  const options = environment!.split('\0').find((variable) => variable.startsWith('NODE_OPTIONS='))?.slice(13) ?? '';
  return [...options.split(/\s+/), ...command!.split('\0')].filter((text) => /^--(inspect|debug-port)/.test(text));
}

/** The port they name; null where they name none. */
function portIn(options: readonly string[]): number | null {
  const ports = options.flatMap((text) => /^--[a-z-]+=(?:.*:)?(\d+)$/.exec(text)?.[1] ?? []);
  return ports.length > 0 ? Number(ports.at(-1)) : null;
}

function opensByItself(options: readonly string[]): boolean {
  return options.some((text) => /^--inspect(-brk|-wait)?(=|$)/.test(text));
}

/** False where it has gone. */
function sendSignal(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGUSR1');
  } catch {
    return false;
  }
}

const gone = (): Refused => refused('gone', 'there is no such process');

function refused(refusal: InspectorRefusal, why: string): Refused {
  return { refusal, why };
}
