/** Pure: who allocated what is still alive, out of V8's sampling heap profile. */
import { holdsTooMuch } from '../../json-size.js';

/** A position as V8 has it: lines and columns count from 0; `url` is empty for what is no script's. */
export interface CallFrame {
  functionName: string;
  url: string;
  lineNumber: number;
  columnNumber: number;
}

/** https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/#type-SamplingHeapProfileNode */
export interface ProfileNode {
  callFrame: CallFrame;
  /** Bytes that this very function allocated, on this call path, and that are alive. */
  selfSize: number;
  children: ProfileNode[];
}

/** Where a function stands, for people: lines and columns count from 1; null for V8's own. */
export interface Place {
  name: string;
  file: string | null;
  line: number;
  column: number;
}

export interface Suspect extends Place {
  bytes: number;
  /** Of all that was allocated while the profiler ran and is alive; 0 to 1. */
  share: number;
  /**
   * The app's own function that called it most, by bytes, one with a name if possible; null where it is such a one
   * itself, or none is on the stack.
   */
  caller: Place | null;
}

export interface Suspects {
  /** Bytes that the profile accounts for. */
  total: number;
  /** Largest first. */
  suspects: Suspect[];
}

/** What V8 names ''. */
export const ANONYMOUS = '(anonymous)';

/** A frame's place in the sources that a person knows; see source-maps.ts. */
export type Locate = (frame: CallFrame) => Place;

interface Tally {
  place: Place;
  bytes: number;
  callers: Map<string, { place: Place; bytes: number }>;
}

/**
 * Self sizes, summed over all call paths of a function. What V8's built-ins allocate (Map.set, Array.push, a native
 * method) is its caller's.
 */
export function rankSuspects(head: ProfileNode, locate: Locate): Suspects {
  const tallies = new Map<string, Tally>();
  let total = 0;
  // Not recursive: a profile is as deep as its file says.
  const open: { node: ProfileNode; script: Place | null; own: Place | null }[] = [{ node: head, script: null, own: null }];
  const isNamed = ({ name }: Place): boolean => name !== ANONYMOUS;
  for (let next = open.pop(); next; next = open.pop()) {
    const { node } = next;
    const place = locate(node.callFrame);
    const script = place.file === null ? (next.script ?? place) : place;
    const isBetter = isOwn(place.file) && (next.own === null || isNamed(place) || !isNamed(next.own));
    const own = isBetter ? place : next.own;
    for (const child of node.children) open.push({ node: child, script: place.file === null ? next.script : place, own });
    if (node.selfSize <= 0) continue;
    total += node.selfSize;
    const tally = tallyOf(tallies, script);
    tally.bytes += node.selfSize;
    if (own && own !== script) tallyOf(tally.callers, own).bytes += node.selfSize;
  }
  const suspects = [...tallies.values()]
    .toSorted((a, b) => b.bytes - a.bytes)
    .map(({ place, bytes, callers }) => ({ ...place, bytes, share: bytes / total, caller: largest(callers) }));
  return { total, suspects };
}

/** The app's own: neither a package's, nor Node's, nor V8's. */
export function isOwn(file: string | null): boolean {
  return file !== null && !file.startsWith('node:') && !/(^|[\\/])node_modules[\\/]/.test(file);
}

/** The profile in a file that an app wrote; null where it is none, or would be too large in memory. */
export function parseProfile(text: string): ProfileNode | null {
  if (holdsTooMuch(text)) return null;
  try {
    const { head } = JSON.parse(text) as { head?: unknown };
    const open = [head];
    for (let at = 0; at < open.length; at++) {
      if (!isNode(open[at])) return null;
      for (const child of (open[at] as ProfileNode).children) open.push(child);
    }
    return head as ProfileNode;
  } catch {
    return null;
  }
}

export function* framesIn(head: ProfileNode): Iterable<CallFrame> {
  const open = [head];
  for (let node = open.pop(); node; node = open.pop()) {
    yield node.callFrame;
    for (const child of node.children) open.push(child);
  }
}

function isNode(value: unknown): value is ProfileNode {
  const { callFrame, selfSize, children } = (value ?? {}) as Partial<ProfileNode>;
  const { functionName, url, lineNumber, columnNumber } = callFrame ?? ({} as Partial<CallFrame>);
  const isFrame = typeof functionName === 'string' && typeof url === 'string';
  return isFrame && Array.isArray(children) && [selfSize, lineNumber, columnNumber].every(Number.isFinite);
}

const keyOf = ({ name, file, line, column }: Place): string => `${file}\0${line}\0${column}\0${name}`;

function tallyOf<T extends { place: Place; bytes: number }>(tallies: Map<string, T>, place: Place): T {
  const key = keyOf(place);
  const known = tallies.get(key) ?? ({ place, bytes: 0, callers: new Map() } as unknown as T);
  tallies.set(key, known);
  return known;
}

function largest(callers: Tally['callers']): Place | null {
  const [first] = [...callers.values()].toSorted((a, b) => b.bytes - a.bytes);
  return first?.place ?? null;
}
