import { chmod, chown, lstat, mkdir, rm, stat } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { HeapwardenError, messageOf } from '../errors.js';
import { OTHERS_WRITE } from '../own-files.js';

const SETGID = 0o2000;
const STICKY = 0o1000;

/**
 * Makes `server` listen on a Unix socket that only this user can reach (0600, in a 0700 folder made where missing), or
 * on a named pipe. With `group`, that group's users can reach it, too (0660, in 0710); so they can in a folder that has
 * been made setgid (RuntimeDirectoryMode=2750), whose group the socket then has: apps of other users report to a warden
 * that is not root. Returns what is to be warned of: that the folder was there before and keeps those out, or lets
 * others put a socket in the place of this one. A socket file that a dead warden left behind is replaced. Throws
 * HeapwardenError SOCKET_IN_USE where somebody answers there, STATE_UNWRITABLE where the socket cannot be made.
 */
export async function listenOnSocket(server: Server, path: string, group?: number): Promise<string[]> {
  const folder = dirname(path);
  try {
    if (process.platform === 'win32') {
      await listen(server, path);
      return [];
    }
    const wasMade = (await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined;
    const unsafe = wasMade ? null : await whyUnsafe(folder);
    if (group !== undefined && wasMade) await open(folder, group, 0o710);
    try {
      await listen(server, path);
    } catch (error) {
      if (!hasCode(error, 'EADDRINUSE') || !(await isStale(path))) throw error;
      await rm(path, { force: true });
      await listen(server, path);
    }
    if (group === undefined) await chmod(path, (await stat(folder)).mode & SETGID ? 0o660 : 0o600);
    else await open(path, group, 0o660);
    const closed = group === undefined ? null : await whyClosed(folder, group);
    return [unsafe, closed].filter((why) => why !== null);
  } catch (error) {
    const inUse = hasCode(error, 'EADDRINUSE');
    throw new HeapwardenError(
      inUse ? 'SOCKET_IN_USE' : 'STATE_UNWRITABLE',
      inUse
        ? `another warden answers on the agent socket ${path}; stop it, or set another agent_socket in the config`
        : `cannot listen on the agent socket ${path} (${messageOf(error)}); set agent_socket in the config to a path ` +
          'that this user can create',
      { cause: error },
    );
  }
}

/**
 * Whoever owns the folder, or may write into it, can put a socket of his own in the place of ours, and give orders to
 * the agents. Throws where a stranger made it before this user did; root may have chosen whose it is. One that others
 * may write into is what Kubernetes' emptyDir is: it can only be told.
 */
async function whyUnsafe(folder: string): Promise<string | null> {
  const { uid, mode } = await stat(folder);
  const me = process.geteuid?.();
  if (uid !== me && uid !== 0) {
    const why = `${folder} belongs to user ${uid}, who could take the socket's place`;
    if (me !== 0) throw new Error(why);
    return `the folder of the agent socket, ${why} and give orders to agents`;
  }
  if ((mode & OTHERS_WRITE) === 0) return null;
  const when = mode & STICKY ? ' while heapwarden is down' : '';
  const what = `they could take its place${when} and give orders to agents`;
  return `others than this user may write into the folder of the agent socket, ${folder}: ${what}`;
}

async function open(path: string, group: number, mode: number): Promise<void> {
  await chown(path, -1, group).catch((error: unknown) => {
    const why = `agent_socket_group is ${group}, to which this user, no member of it, cannot give ${path}`;
    throw new Error(why, { cause: error });
  });
  await chmod(path, mode);
}

/** By the modes alone: what stands above this folder, and access lists, are its owner's to know. */
async function whyClosed(folder: string, group: number): Promise<string | null> {
  const { mode, gid } = await stat(folder);
  if (mode & 0o001 || (gid === group && mode & 0o010)) return null;
  const remedy = `chgrp ${group} ${folder} && chmod g+x ${folder}`;
  return `agents of group ${group} cannot reach the agent socket, for its folder keeps them out: ${remedy}`;
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The file's mode comes from the umask, and bind(2) happens within listen(): it is never open to others.
    const umask = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}

/** A socket file to which nobody listens. What is no socket is not ours to remove. */
async function isStale(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => null);
  if (stats && !stats.isSocket()) {
    throw new Error('there is a file that is no socket');
  }
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    // Anything but these (EAGAIN: its backlog is full, EACCES: another user's) says that there may well be a warden.
    socket.once('error', (error) => resolve(hasCode(error, 'ECONNREFUSED') || hasCode(error, 'ENOENT')));
  });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
