import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.js';
import { asFields, type Fields, type InspectorClient } from '../../observe/inspector-client.js';
import { openInspector, type Refused } from '../../observe/inspector-open.js';
import type { ProcessSource } from '../../observe/processes.js';
import { sourceLocator } from './source-maps.js';
import type { Stack, StackFrame } from './stacks.js';
import type { CallFrame } from './suspects.js';

const LOOKS = 8;
const LEAST_LOOKS = 3;
const OVER_MS = 1000;
const BUSY_MS = 100;
const MOST_FRAMES = 50;
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
  types: Record<string, string>;
}

/**
 * Looks at the JavaScript stack of a process several times within a second, through its inspector, which is opened for
 * it and closed again; the process runs on in between and afterwards. Never rejects; takes about `timeoutMs` at most.
 */
export async function lookAtStack(pid: number, processes: ProcessSource, timeoutMs: number): Promise<Looks> {
  const until = performance.now() + timeoutMs;
  const leftMs = (): number => Math.max(1, Math.ceil(until - performance.now()));
  const opened = await openInTime(pid, processes, leftMs);
  if ('refusal' in opened) return { stacks: [], overMs: 0, lack: lackOf(opened) };
  const samples: RawFrame[][] = [];
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
    const known = new Map<string, RawFrame['types']>();
    // On a busy machine each of them takes its time, and the restart waits.
    const isEnough = (): boolean => samples.length >= LOOKS || (samples.length >= LEAST_LOOKS && lastAt - firstAt >= OVER_MS);
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
  const locate = await sourceLocator(samples.flat().map(({ frame }) => frame), { mapUrls: maps, tell });
  const stacks = samples.map((stack) => stack.map(({ id, frame, types }): StackFrame => ({ id, at: locate(frame), types })));
  return { stacks, overMs: lastAt - firstAt, lack };
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
  /** Types in the functions that have been looked at. */
  known: Map<string, RawFrame['types']>;
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
    const frames = Array.isArray(params['callFrames']) ? params['callFrames'].slice(0, MOST_FRAMES).map(asFields) : [];
    const stack: RawFrame[] = [];
    for (const [i, frame] of frames.entries()) {
      const raw = rawFrame(frame, scripts);
      const types = known.get(raw.id) ?? (i < TYPED_FRAMES ? await typesIn(client, frame, leftMs()).catch(() => ({})) : {});
      known.set(raw.id, types);
      stack.push({ ...raw, types });
    }
    await client.call('Debugger.resume', {}, leftMs());
    return stack;
  } finally {
    stop();
  }
}

/** A frame's own `url` is empty, though the protocol has it. */
function rawFrame(fields: Fields, scripts: ReadonlyMap<string, string>): Omit<RawFrame, 'types'> {
  const [at, start] = [asFields(fields['location']), asFields(fields['functionLocation'] ?? fields['location'])];
  const frame = {
    functionName: String(fields['functionName'] ?? ''),
    url: scripts.get(String(at['scriptId'])) ?? '',
    lineNumber: Number(at['lineNumber'] ?? -1),
    columnNumber: Number(at['columnNumber'] ?? -1),
  };
  const id = [start['scriptId'], start['lineNumber'], start['columnNumber'], frame.functionName].join(':');
  return { id, frame };
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
