import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HeapwardenError, messageOf } from '../errors.js';

/** Makes the token file, mode 0600, where it is missing. Throws HeapwardenError TOKEN_UNREADABLE. */
export async function ensureToken(path: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, randomBytes(32).toString('base64url') + '\n', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unreadable(path, error);
    await readToken(path);
  }
}

/** Throws HeapwardenError TOKEN_UNREADABLE: where it is missing, may not be read, or is empty. */
export async function readToken(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw unreadable(path, error);
  });
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
