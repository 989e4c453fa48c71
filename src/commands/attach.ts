import { connect } from 'node:net';
import { HeapwardenError } from '../errors.js';
import { attach as attachTo } from '../observe/attach.js';
import { processSource } from '../observe/processes.js';
import { readConfig } from './config.js';
import type { AttachOptions } from './options.js';

/** Milliseconds for each half: opening the inspector, and loading the agent. */
const TIMEOUT_MS = 5000;

/**
 * `heapwarden attach`: from then on the process reports to the warden of the config. Returns the exit status; throws
 * HeapwardenError ATTACH_REFUSED where it is not done.
 */
export async function attach({ pid, app, configFile }: AttachOptions, print: (line: string) => void): Promise<number> {
  const { agent_socket } = await readConfig(configFile);
  const options = { processes: processSource(), app, agentSocket: agent_socket, timeoutMs: TIMEOUT_MS };
  const result = await attachTo(pid, options);
  if (!('isNew' in result)) {
    if (result.closedLater) {
      print(`process ${pid} does not answer; should its inspector open after all, it is closed again. Ctrl-C ends the wait`);
      print((await result.closedLater) ? 'no inspector is open' : 'it has not opened for ten minutes');
    }
    const instead = result.refusal === 'unsupported_platform' ? '; start it with the agent: node --import heapwarden/agent' : '';
    throw new HeapwardenError('ATTACH_REFUSED', `process ${pid} was not attached to: ${result.why}${instead}`);
  }
  if (!result.isClosed) print(`the inspector of process ${pid} is still open: it closes when the call that the process is in ends`);
  if (!result.isNew) {
    print(`process ${pid} has an agent already, which goes on as it was`);
    return 0;
  }
  print(`process ${pid} has the agent now; its inspector was open for ${Math.round(result.openMs)} ms`);
  const isThere = await answers(agent_socket);
  print(isThere ? `it reports to the heapwarden at ${agent_socket}` : `no heapwarden listens at ${agent_socket} yet; it reports when one does`);
  return 0;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
