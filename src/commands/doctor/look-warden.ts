import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Access } from '../../http/client.js';
import { SET_USER } from '../../http/who.js';
import type { AppStatus } from '../../publish/app-shape.js';
import { ask } from './ask.js';
import type { Told } from './finding.js';

/** The apps as the running warden tells them (/api/v1/apps). */
export async function lookAtWarden(url: string, access: Access = {}): Promise<Told<AppStatus[]>> {
  const answer = await ask(url, 'api/v1/apps', access);
  if ('why' in answer) return answer;
  const { status, text } = answer.value;
  if (status === 401) return { why: `it asks for a user: ${SET_USER}` };
  try {
    const { apps } = JSON.parse(text) as { apps?: unknown };
    if (status === 200 && Array.isArray(apps)) return { value: apps as AppStatus[] };
  } catch {
    // Not JSON, which is told below.
  }
  return { why: `what answers there (HTTP ${status}) is not heapwarden` };
}

/** Whether somebody listens on a Unix socket or a named pipe. */
export function answersAt(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** The group whose users may connect to a Unix socket, beside its owner; null where none may, or there is no socket. */
export async function groupOf(path: string): Promise<number | null> {
  const found = await stat(path).catch(() => null);
  return found?.isSocket() && found.mode & 0o020 ? found.gid : null;
}
