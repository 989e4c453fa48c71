/** Why a container's process has ended: by Docker's events, and where they tell of an abort, by its last words. */
import { messageOf } from '../errors.js';
import { formatBytes } from '../units.js';
import type { Death } from './contract.js';
import type { Container } from './docker-container.js';
import type { DockerEngine } from './docker-engine.js';
import { heapOomReason } from './heap-words.js';

/** Docker hears of a kernel's kill from the cgroup, and of the end from its shim: which of them first is not said. */
const AROUND_MS = 5000;
/** V8's fatal error, and Node's stack below it, take some thirty lines. */
const LAST_LINES = 100;
const SIGKILL_CODE = 128 + 9;
/** Of abort(3), and of what it comes to where the process is number 1 of its namespace: SIGILL, SIGTRAP, SIGSEGV. */
const ABORT_CODES = [128 + 6, 128 + 4, 128 + 5, 128 + 11];

/** An event of a container, of which this matters here. */
export interface DockerEvent {
  /** Docker's word: `oom`, `die`, … */
  action: string;
  exitCode: number | null;
}

/** As Docker writes it, a line each. */
interface WrittenEvent {
  Action?: string;
  Actor?: { Attributes?: Record<string, string> };
}

/**
 * The container's events between two times, in milliseconds since the epoch; the end must have passed, since Docker
 * waits for it. Docker keeps the last 256 of all its containers, so that what was long ago is not told.
 */
export async function eventsOf(
  id: string,
  sinceMs: number,
  untilMs: number,
  engine: DockerEngine,
): Promise<DockerEvent[]> {
  const filters = JSON.stringify({ type: ['container'], container: [id] });
  const query = { since: seconds(sinceMs), until: seconds(untilMs), filters };
  const lines = (await engine.getBytes('/events', { query }))?.toString().split('\n') ?? [];
  return lines.flatMap((line) => {
    const event = line.trim() === '' ? null : (JSON.parse(line) as WrittenEvent);
    if (!event?.Action) return [];
    const code = event.Actor?.Attributes?.['exitCode'];
    return [{ action: event.Action, exitCode: code === undefined ? null : Number(code) }];
  });
}

/** Why it ended at `atMs`; what cannot be learnt any more is said in `detail`. Never rejects. */
export async function deathOf(container: Container, atMs: number, nowMs: number, engine: DockerEngine): Promise<Death> {
  const { id, status, oomKilled } = container;
  try {
    const events = await eventsOf(id, atMs - AROUND_MS, Math.min(nowMs, atMs + AROUND_MS), engine);
    const died = events.findLast(({ action }) => action === 'die');
    // While it is down, Docker still knows by itself.
    const exitCode = died?.exitCode ?? (status === 'running' ? null : container.exitCode);
    const killedByKernel = events.some(({ action }) => action === 'oom') || (status !== 'running' && oomKilled);
    if (killedByKernel && exitCode === SIGKILL_CODE) {
      return { cause: 'oom_kernel', atMs, detail: kernelSentence(container) };
    }
    if (exitCode === null) return { cause: 'other', atMs, detail: 'it ended; Docker does not remember how' };
    const said = ABORT_CODES.includes(exitCode) ? heapOomReason(await lastOutput(id, atMs, engine)) : null;
    if (said !== null) return { cause: 'oom_heap', atMs, detail: `V8 said "${said}" and it exited with code ${exitCode}` };
    return { cause: 'other', atMs, detail: `it exited with code ${exitCode}` };
  } catch (error) {
    return { cause: 'other', atMs, detail: `it ended, and how could not be learnt: ${messageOf(error)}` };
  }
}

function kernelSentence({ memoryLimitBytes }: Container): string {
  const limit = memoryLimitBytes === null ? '' : `, whose limit is ${formatBytes(memoryLimitBytes)}`;
  return `the kernel killed it, for there was no memory left in its container${limit}`;
}

/** Empty where its output goes where Docker cannot read it. */
async function lastOutput(id: string, atMs: number, engine: DockerEngine): Promise<string> {
  const query = {
    stdout: '1',
    stderr: '1',
    tail: String(LAST_LINES),
    since: seconds(atMs - AROUND_MS),
    until: seconds(atMs + AROUND_MS),
  };
  const log = await engine.getBytes(`/containers/${id}/logs`, { query }).catch(() => null);
  // Without a terminal each piece has a head of eight bytes before it, which V8's words do not contain.
  return log?.toString('latin1') ?? '';
}

/** As Docker takes a time: seconds since the epoch, with their fraction. */
const seconds = (ms: number): string => (ms / 1000).toFixed(3);
