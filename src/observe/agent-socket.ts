import { chmod, lstat, mkdir, rm, stat } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { HeapwardenError, messageOf } from '../errors.js';

const SETGID = 0o2000;

/**
 * Makes `server` listen on a Unix socket that only this user can reach (0600, in a 0700 folder made where missing), or
 * on a named pipe. In a folder that has been made setgid (RuntimeDirectoryMode=2750), whose group the socket then has,
 * that group can reach it, too (0660): so apps of other users report to a warden that is not root. A socket file that
 * a dead warden left behind is replaced. Throws HeapwardenError SOCKET_IN_USE where somebody answers there,
 * STATE_UNWRITABLE where the socket cannot be made.
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  try {
    if (process.platform === 'win32') return await listen(server, path);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    try {
      await listen(server, path);
    } catch (error) {
      if (!hasCode(error, 'EADDRINUSE') || !(await isStale(path))) throw error;
      await rm(path, { force: true });
      await listen(server, path);
    }
    await chmod(path, (await stat(dirname(path))).mode & SETGID ? 0o660 : 0o600);
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
