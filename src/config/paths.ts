import os from 'node:os';
import { posix, win32 } from 'node:path';

/** All that the rules for paths depend on. */
export interface Host {
  platform: NodeJS.Platform;
  /** undefined on Windows, which has none. */
  uid: number | undefined;
  env: Readonly<Record<string, string | undefined>>;
  home: string;
  tmpdir: string;
}

/** The machine and user this process runs as. */
export function thisHost(env: Host['env'] = process.env): Host {
  return {
    platform: process.platform,
    uid: process.getuid?.(),
    env,
    home: env['HOME'] || os.homedir(),
    tmpdir: env['TMPDIR'] || os.tmpdir(),
  };
}

/** The state folder where the config names none. */
export function defaultStateDir({ platform, uid, env, home }: Host): string {
  // systemd's StateDirectory=, made for the service with the right owner: systemd.exec(5).
  const fromSystemd = firstDir(env['STATE_DIRECTORY']);
  if (fromSystemd) return fromSystemd;
  if (platform === 'win32') {
    return win32.join(env['LOCALAPPDATA'] || win32.join(home, 'AppData', 'Local'), 'heapwarden');
  }
  if (platform === 'darwin') return posix.join(home, 'Library', 'Application Support', 'heapwarden');
  if (uid === 0) return '/var/lib/heapwarden';
  return posix.join(xdgDir(env['XDG_STATE_HOME']) ?? posix.join(home, '.local', 'state'), 'heapwarden');
}

/**
 * The one place where agents look for the warden without being told; src/agent repeats this rule. A service's own
 * RuntimeDirectory= comes first: `RuntimeDirectory=heapwarden` is that very place.
 */
export function defaultAgentSocket({ platform, uid, env, tmpdir }: Host): string {
  if (platform === 'win32') return '\\\\.\\pipe\\heapwarden-agent';
  const fromSystemd = firstDir(env['RUNTIME_DIRECTORY']);
  if (fromSystemd) return posix.join(fromSystemd, 'agent.sock');
  if (platform === 'linux' && uid === 0) return '/run/heapwarden/agent.sock';
  const runtimeDir = xdgDir(env['XDG_RUNTIME_DIR']);
  if (runtimeDir) return posix.join(runtimeDir, 'heapwarden', 'agent.sock');
  return posix.join(tmpdir, `heapwarden-${uid}`, 'agent.sock');
}

/** What is wrong with a socket's address, in words; null where nothing is. */
export function socketDefect(socket: string, { platform }: Host): string | null {
  if (platform === 'win32') {
    return /^\\\\[.?]\\pipe\\./.test(socket)
      ? null
      : `agent_socket must be a named pipe such as \\\\.\\pipe\\heapwarden-agent, not "${socket}"`;
  }
  // sun_path holds 108 bytes on Linux and 104 elsewhere, the last one a NUL: unix(7), unix(4).
  const most = platform === 'linux' ? 107 : 103;
  const length = Buffer.byteLength(socket);
  if (length <= most) return null;
  const room = `a Unix socket's path has room for ${most}`;
  return `agent_socket is ${length} bytes long, but ${room}; set a shorter one than ${socket}`;
}

/** The absolute path of one written in the config file `file`: relative to that file's folder. */
export function fromConfigFile(file: string, path: string, { platform }: Host): string {
  const { resolve, dirname } = platform === 'win32' ? win32 : posix;
  return resolve(dirname(file), path);
}

/** A path inside a folder. */
export function inside(folder: string, name: string, { platform }: Host): string {
  return (platform === 'win32' ? win32 : posix).join(folder, name);
}

// Several directories are separated by colons: systemd.exec(5).
function firstDir(list: string | undefined): string | undefined {
  return list?.split(':').find((dir) => dir !== '');
}

// A relative path in one of these variables is to be ignored: XDG Base Directory Specification.
function xdgDir(path: string | undefined): string | null {
  return path && posix.isAbsolute(path) ? path : null;
}
