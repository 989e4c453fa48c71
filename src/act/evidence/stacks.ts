/** Pure: what holds an event loop, out of several looks at the JavaScript stack, and `stack.txt`. */
import { formatElapsed } from '../../units.js';
import { isOwn, type Place } from './suspects.js';
import { described } from './suspects-text.js';
import type { ThreadUse } from './threads.js';

export interface StackFrame {
  /** The function: the same in every sample, wherever in it the process is. */
  id: string;
  /** Where in it the process is. */
  at: Place;
  /** Types of its arguments and variables, by name; never their values. */
  types: Readonly<Record<string, string>>;
}

/** Innermost first. */
export type Stack = readonly StackFrame[];

/** Of a stack the innermost frames that are shown; a runaway recursion has ten thousand. */
const MOST_SHOWN = 50;

/** How many frames, from the outermost on, all samples share. The innermost of those holds the loop. */
export function sharedDepth(stacks: readonly (readonly Pick<StackFrame, 'id'>[])[]): number {
  const [first, ...others] = stacks;
  if (!first) return 0;
  let depth = 0;
  while (depth < first.length && others.every((stack) => stack.at(-1 - depth)?.id === first.at(-1 - depth)?.id)) depth += 1;
  return depth;
}

/** Whose place has to be known: what is shown, and what may be the holder. Equal frames are to be one object. */
export function framesToLocate<F extends Pick<StackFrame, 'id'>>(stacks: readonly (readonly F[])[]): Set<F> {
  const depth = sharedDepth(stacks);
  return new Set(stacks.flatMap((stack) => {
    const shared = new Set(stack.slice(stack.length - depth));
    return [...stack.slice(0, MOST_SHOWN), ...[...shared].slice(0, MOST_SHOWN)];
  }));
}

/** The function that holds the loop: of those in every sample the innermost, an own one of the app if there is any. */
export function holderOf(stacks: readonly Stack[]): Place | null {
  return stacks[0]?.at(-1 - holderDepth(stacks))?.at ?? null;
}

/** How many frames are outside the holder's, in every sample; without a holder more than there are. */
function holderDepth(stacks: readonly Stack[]): number {
  const depth = sharedDepth(stacks);
  if (depth === 0) return Infinity;
  const shared = stacks[0]!.slice(-depth);
  const own = shared.findIndex(({ at }) => isOwn(at.file));
  return depth - 1 - Math.max(0, own);
}

export interface Freeze {
  app: string;
  worker: string;
  pid: number;
  node: string;
  frozenMs: number;
  /** One for each sample. */
  stacks: readonly Stack[];
  /** Between the first sample and the last. */
  overMs: number;
  /** Why there are no samples, or no more; null where there is nothing to say. */
  lack: string | null;
  /** Null where the system does not tell. */
  threads: readonly ThreadUse[] | null;
}

export function stackText({ app, worker, pid, node, frozenMs, stacks, overMs, lack, threads }: Freeze): string {
  const lines = [`What ${app}/${worker} did (process ${pid}, Node.js ${node}), whose event loop had not turned for ${formatElapsed(frozenMs)}.`, ''];
  if (lack !== null) lines.push(lack, '');
  if (stacks.length > 0) lines.push(...stackLines(stacks, overMs), '');
  lines.push(...(threads ? threadLines(threads) : ['The system does not tell what its threads did.']));
  return `${lines.join('\n')}\n`;
}

function stackLines(stacks: readonly Stack[], overMs: number): string[] {
  const count = stacks.length === 1 ? 'one look' : `${stacks.length} looks within ${formatElapsed(overMs)}`;
  const holder = holderOf(stacks);
  const lines = [`By ${count} at its JavaScript stack. ${holder ? `In all of them: ${holder.name}.` : 'They share no function.'}`];
  const depths = { shared: sharedDepth(stacks), holder: holderDepth(stacks) };
  const byText = new Map<string, number>();
  for (const stack of stacks) {
    const text = shownLines(stack, depths).join('\n');
    byText.set(text, (byText.get(text) ?? 0) + 1);
  }
  for (const [text, times] of [...byText].toSorted((a, b) => b[1] - a[1])) {
    lines.push('', `${times} of ${stacks.length}${byText.size > 1 ? ' (what stood in all of them is marked *)' : ''}:`, text);
  }
  return lines;
}

/** The innermost frames, and the holder's, however far out it is. */
function shownLines(stack: Stack, { shared, holder }: { shared: number; holder: number }): string[] {
  const linesOf = (from: number, to: number): string[] =>
    stack.slice(from, to).map((frame, i) => frameLines(frame, stack.length - from - i <= shared));
  const at = stack.length - 1 - holder;
  const inner = linesOf(0, MOST_SHOWN);
  if (at < MOST_SHOWN) return [...inner, ...leftOut(stack.length - MOST_SHOWN)];
  return [...inner, ...leftOut(at - MOST_SHOWN), ...linesOf(at, at + 1), ...leftOut(holder)];
}

const leftOut = (count: number): string[] =>
  count > 0 ? [`    (${count} ${count === 1 ? 'frame' : 'frames'} left out)`] : [];

function frameLines({ at, types }: StackFrame, isShared: boolean): string {
  const named = Object.entries(types).map(([name, type]) => `${name}: ${type}`);
  return `  ${isShared ? '*' : ' '} at ${described(at)}${named.length > 0 ? `\n        ${named.join(', ')}` : ''}`;
}

/** States as proc_pid_stat(5) has them. */
const STATES: Record<string, string> = { R: 'running', S: 'sleeping', D: 'waiting for a disk', T: 'stopped', t: 'traced', Z: 'dead' };

function threadLines(threads: readonly ThreadUse[]): string[] {
  const rows = threads.map(({ id, name, state, cpuMs, overMs }) => {
    const share = overMs > 0 ? `${Math.round((100 * cpuMs) / overMs)}% of a CPU` : 'unknown';
    return `  ${String(id).padStart(8)}  ${name.padEnd(16)}  ${(STATES[state] ?? state).padEnd(18)}  ${share}`;
  });
  return ['Its threads, as the kernel has them; the first is the one of the event loop:', ...rows];
}
