import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.js';
import { asFields, type Fields, type InspectorClient } from '../../observe/inspector-client.js';
import { openInspector, type Refused } from '../../observe/inspector-open.js';
import type { ProcessSource } from '../../observe/processes.js';
import { sourceLocator } from './source-maps.js';
import { framesToLocate, type Stack, type StackFrame } from './stacks.js';
import type { CallFrame } from './suspects.js';

const LOOKS = 8;
const LEAST_LOOKS = 3;
const OVER_MS = 1000;
const BUSY_MS = 100;
/** Of the innermost of which the variables' types are asked for. */
const TYPED_FRAMES = 3;
const MOST_VARIABLES = 20;

export interface Looks {
  stacks: Stack[];
  overMs: number;
  /** Why there are none, or fewer, or not in their sources; null where all went well. */
  lack: string | null;
}

/** A frame as V8 tells it, and the function that it is one of. */
interface RawFrame {
  id: string;
  frame: CallFrame;
}

/** What the looks have in common. */
interface Known {
  /** By function and position: a recursion ten thousand frames deep is a few of them. */
  frames: Map<string, RawFrame>;
  /** By function; of those whose types were asked for. */
  types: Map<string, StackFrame['types']>;
}

/**
 * Looks at the JavaScript stack of a process several times within a second, through its inspector, which is opened for
 * it and closed again; the process runs on in between and afterwards. Never rejects; takes about `timeoutMs` at most, and
 * where `signal` aborts, what it takes to close the inspector.
 */
export async function lookAtStack(
  pid: number,
  processes: ProcessSource,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Looks> {
  const until = performance.now() + timeoutMs;
  const leftMs = (): number => Math.max(1, Math.ceil(until - performance.now()));
  const opened = await openInTime(pid, processes, leftMs);
  if ('refusal' in opened) return { stacks: [], overMs: 0, lack: lackOf(opened) };
  const samples: RawFrame[][] = [];
  const known: Known = { frames: new Map(), types: new Map() };
  const { client } = opened;
  const scripts = new Map<string, string>();
  const maps = new Map<string, string>();
  let lack: string | null = null;
  let [firstAt, lastAt] = [0, 0];
  try {
    client.on('Debugger.scriptParsed', ({ scriptId, url, sourceMapURL }) => {
      if (typeof url !== 'string') return;
      scripts.set(String(scriptId), url);
      if (typeof sourceMapURL === 'string' && sourceMapURL !== '') maps.set(url, sourceMapURL);
    });
    await client.call('Debugger.enable', {}, leftMs());
    // On a busy machine each of them takes its time, and the restart waits.
    const isWhole = (): boolean => samples.length >= LOOKS || (samples.length >= LEAST_LOOKS && lastAt - firstAt >= OVER_MS);
    const isEnough = (): boolean => signal?.aborted === true || isWhole();
    while (!isEnough() && leftMs() > OVER_MS / LOOKS) {
      samples.push(await look({ client, scripts, known, leftMs }));
      lastAt = performance.now();
      firstAt ||= lastAt;
      await sleep(OVER_MS / LOOKS);
    }
  } catch (error) {
    lack = `The looks ended early (${messageOf(error)}): its loop has turned again, or it is in one long native call.`;
  } finally {
    // Told or not, the process closes it; what is waited for is only that it has.
    await Promise.race([opened.close(), sleep(Math.min(500, leftMs()))]);
  }
  const tell = (note: string): void => void (lack ??= `Its ${note}.`);
  const locate = await sourceLocator([...framesToLocate(samples)].map(({ frame }) => frame), { mapUrls: maps, tell });
  const frames = new Map<RawFrame, StackFrame>();
  for (const raw of known.frames.values()) {
    frames.set(raw, { id: raw.id, at: locate(raw.frame), types: known.types.get(raw.id) ?? {} });
  }
  return { stacks: samples.map((stack) => stack.map((raw) => frames.get(raw)!)), overMs: lastAt - firstAt, lack };
}

/** One process at a time is attached to on a machine, and several may freeze together: each waits for its turn. */
async function openInTime(pid: number, processes: ProcessSource, leftMs: () => number): ReturnType<typeof openInspector> {
  for (;;) {
    const opened = await openInspector(pid, { processes, timeoutMs: leftMs() }).catch(
      (error: unknown): Refused => ({ refusal: 'no_answer', why: messageOf(error) }),
    );
    if (!('refusal' in opened) || opened.refusal !== 'busy' || leftMs() <= BUSY_MS) return opened;
    await sleep(BUSY_MS);
  }
}

function lackOf({ refusal, why }: Refused): string {
  const native = 'V8 is not to be interrupted inside one long native call (pbkdf2Sync, JSON.parse of a huge text)';
  return refusal === 'no_answer' ? `Its JavaScript stack could not be had: ${why}. ${native}.` : `Its JavaScript stack could not be had: ${why}.`;
}

interface LookParts {
  client: InspectorClient;
  /** URLs by V8's number of the script. */
  scripts: ReadonlyMap<string, string>;
  known: Known;
  leftMs(): number;
}

/** One pause, as short as can be. */
async function look({ client, scripts, known, leftMs }: LookParts): Promise<RawFrame[]> {
  let stop = (): void => {};
  const paused = new Promise<Fields>((resolve) => (stop = client.on('Debugger.paused', resolve)));
  try {
    await client.call('Debugger.pause', {}, leftMs());
    const params = await Promise.race([paused, sleep(leftMs(), null, { ref: false })]);
    if (!params) throw new Error('it was not paused in time');
    const frames = Array.isArray(params['callFrames']) ? params['callFrames'].map(asFields) : [];
    const stack = frames.map((frame) => rawFrame(frame, scripts, known.frames));
    for (const [i, { id }] of stack.slice(0, TYPED_FRAMES).entries()) {
      if (!known.types.has(id)) known.types.set(id, await typesIn(client, frames[i]!, leftMs()).catch(() => ({})));
    }
    await client.call('Debugger.resume', {}, leftMs());
    return stack;
  } finally {
    stop();
  }
}

/** The known one, where it is known. A frame's own `url` is empty, though the protocol has it. */
function rawFrame(fields: Fields, scripts: ReadonlyMap<string, string>, known: Known['frames']): RawFrame {
  const [at, start] = [asFields(fields['location']), asFields(fields['functionLocation'] ?? fields['location'])];
  const frame = {
    functionName: String(fields['functionName'] ?? ''),
    url: scripts.get(String(at['scriptId'])) ?? '',
    lineNumber: Number(at['lineNumber'] ?? -1),
    columnNumber: Number(at['columnNumber'] ?? -1),
  };
  const id = [start['scriptId'], start['lineNumber'], start['columnNumber'], frame.functionName].join(':');
  const key = [id, at['scriptId'], frame.lineNumber, frame.columnNumber].join(':');
  const raw = known.get(key) ?? { id, frame };
  known.set(key, raw);
  return raw;
}

/** Inside the process, so that no value leaves it; in syntax alone, so that none of the app's code runs. */
const TYPES = `function () {
  const types = {};
  let count = 0;
  for (const name in this) {
    if (count++ >= ${MOST_VARIABLES}) break;
    types[name] = this[name] === null ? 'null' : typeof this[name];
  }
  return types;
}`;

async function typesIn(client: InspectorClient, frame: Fields, timeoutMs: number): Promise<Record<string, string>> {
  const scopes = Array.isArray(frame['scopeChain']) ? frame['scopeChain'].map(asFields) : [];
  const local = scopes.find(({ type }) => type === 'local');
  const objectId = asFields(local?.['object'])['objectId'];
  if (typeof objectId !== 'string') return {};
  const { result } = await client.call('Runtime.callFunctionOn', { functionDeclaration: TYPES, objectId, returnByValue: true, silent: true }, timeoutMs);
  const types = Object.entries(asFields(asFields(result)['value']));
  return Object.fromEntries(types.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
