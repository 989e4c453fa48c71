import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../errors.js';
import { openInspector, OpenInspector, type InspectorRefusal, type Refused } from './inspector-open.js';
import type { ProcessSource } from './processes.js';

export interface AttachOptions {
  processes: ProcessSource;
  /** What its agent calls the app; null: what an agent makes of the process itself. */
  app: string | null;
  agentSocket: string;
  /** Milliseconds for opening the inspector, and once more for loading the agent. */
  timeoutMs: number;
}

export interface Attached {
  /** False where the process had an agent, which goes on as it was. */
  isNew: boolean;
  /** Milliseconds from the signal to the closed port. */
  openMs: number;
  /** False: the port is still open, and closes at the end of the native call that the process is in. */
  isClosed: boolean;
}

export type AttachRefused = Omit<Refused, 'refusal'> & {
  refusal: InspectorRefusal | 'agent_failed'; // the process could not load it
};

/** Loads the agent into a running process through its inspector, and closes that again. */
export async function attach(pid: number, options: AttachOptions): Promise<Attached | AttachRefused> {
  const { processes, timeoutMs } = options;
  const inspector = await openInspector(pid, { processes, timeoutMs });
  if (!(inspector instanceof OpenInspector)) return inspector;
  let isNew: unknown;
  let failure: string | undefined;
  try {
    isNew = await inspector.client.evaluate(loading(options), timeoutMs);
  } catch (error) {
    failure = messageOf(error);
  }
  const isClosed = await inspector.close();
  const openMs = performance.now() - inspector.beganAt;
  if (failure === undefined) return { isNew: isNew === true, openMs, isClosed };
  return { refusal: 'agent_failed', why: `it could not load the agent: ${failure}` };
}

/**
 * `require` is what the inspector's command line API lends, to ES modules too, in a Node without getBuiltinModule (before
 * 20.16 and 22.3). The app's own module paths stay out of it.
 */
function loading({ app, agentSocket }: AttachOptions): string {
  const entry = JSON.stringify(join(dirname(fileURLToPath(import.meta.resolve('heapwarden/agent'))), 'attached.cjs'));
  const told = JSON.stringify({ app: app ?? undefined, socket: agentSocket });
  const builtin = `(typeof process.getBuiltinModule === 'function' ? process.getBuiltinModule : require)`;
  return `${builtin}('module').createRequire(${entry})(${entry}).attach(${told})`;
}
