import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HeapwardenError, messageOf } from '../errors.js';
import { openOwn } from '../own-files.js';

const EVERYBODY_WRITES = 0o002;

/** Makes the token file, mode 0600, where it is missing. Throws HeapwardenError TOKEN_UNREADABLE. */
export async function ensureToken(path: string, place: TokenPlace = {}): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, randomBytes(32).toString('base64url') + '\n', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unreadable(path, error);
    await readToken(path, place);
  }
}

/** `stateDir`: a token in there is the warden's own, and nothing that somebody else has put in its place is taken for it. */
export interface TokenPlace {
  stateDir?: string;
}

/**
 * Elsewhere links are followed: a secret that Kubernetes mounts is one. Throws HeapwardenError TOKEN_UNREADABLE: where it is missing, may
 * not be read, is empty, or may be written by anybody.
 */
export async function readToken(path: string, { stateDir }: TokenPlace = {}): Promise<string> {
  let text: string;
  try {
    const isOwn = stateDir !== undefined && dirname(path) === stateDir;
    const file = isOwn ? await openOwn(path, 'read') : await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const { mode } = await file.stat();
      if (mode & EVERYBODY_WRITES && process.platform !== 'win32') throw new Error(`every user may write it: chmod o-w ${path}`);
      text = await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  const token = text.trim();
  if (token === '') throw unreadable(path, 'it is empty; delete it, and the next start makes a new one');
  return token;
}

const WHY: Record<string, string> = {
  ENOENT: 'it is not there; heapwarden makes it when it starts',
  EACCES: "this user may not read or make it; change its permissions or its folder's",
  EISDIR: 'it is a folder',
};

function unreadable(path: string, why: unknown): HeapwardenError {
  const code = why instanceof Error && 'code' in why ? String(why.code) : '';
  const words = WHY[code] ?? messageOf(why);
  return new HeapwardenError('TOKEN_UNREADABLE', `the token file ${path} cannot be used: ${words}`, { cause: why });
}
