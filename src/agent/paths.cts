import { lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isAbsolute, posix } from 'node:path';

/** All that the rule depends on. */
export interface Surroundings {
  platform: NodeJS.Platform;
  uid: number;
  env: Readonly<Record<string, string | undefined>>;
  tmpdir: string;
  /** The uid that owns a folder; null where there is none, or none to be seen. */
  ownerOf(folder: string): number | null;
}

/**
 * Where a warden may listen, most likely first: HEAPWARDEN_SOCKET alone where it is set, else all the places from which
 * a warden chooses its own (config/paths.ts), since it may run as another user or without the app's environment.
 */
export function socketPaths(host: Surroundings = surroundings()): string[] {
  const named = host.env['HEAPWARDEN_SOCKET'];
  if (named) return [named];
  if (host.platform === 'win32') return ['\\\\.\\pipe\\heapwarden-agent'];
  const folders: string[] = [];
  const runtime = host.env['XDG_RUNTIME_DIR'];
  if (runtime && isAbsolute(runtime)) folders.push(posix.join(runtime, 'heapwarden'));
  // Anyone may make a folder in there, and another user's is not our warden's.
  const temporary = posix.join(host.tmpdir, `heapwarden-${host.uid}`);
  if (host.ownerOf(temporary) === host.uid) folders.push(temporary);
  if (host.uid === 0) folders.unshift('/run/heapwarden');
  else folders.push('/run/heapwarden');
  return folders.map((folder) => posix.join(folder, 'agent.sock'));
}

function surroundings(): Surroundings {
  return {
    platform: process.platform,
    uid: process.getuid?.() ?? 0,
    env: process.env,
    tmpdir: tmpdir(),
    ownerOf,
  };
}

/** A link's own: whoever made it may have it lead to another place at any time. */
function ownerOf(folder: string): number | null {
  try {
    return lstatSync(folder).uid;
  } catch {
    return null;
  }
}
