import { chmod, mkdir, stat } from 'node:fs/promises';
import { HeapwardenError, messageOf } from '../errors.js';
import { OTHERS_WRITE } from '../own-files.js';

/** STATE_UNWRITABLE, in the words of whoever first needed the folder. */
export function stateUnwritable(stateDir: string, error: unknown): HeapwardenError {
  return new HeapwardenError(
    'STATE_UNWRITABLE',
    `the state folder ${stateDir} cannot be used: ${messageOf(error)}. ` +
      'Make it writable for this user, or set state_dir in the config',
    { cause: error },
  );
}

/** Makes the folder (0700), or takes from others the right to write into one that is this user's. Throws Node's errors. */
export async function makeStateFolder(stateDir: string): Promise<void> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  if (process.platform === 'win32') return; // it has other rights than these
  const { uid, mode } = await stat(stateDir);
  if (mode & OTHERS_WRITE && uid === process.geteuid?.()) await chmod(stateDir, mode & 0o7777 & ~OTHERS_WRITE);
}

/** What others can do to the folder, for the log; null where they can do nothing. Throws Node's errors. */
export async function whyUnsafe(stateDir: string): Promise<string | null> {
  if (process.platform === 'win32') return null;
  const { uid, mode } = await stat(stateDir);
  if (uid !== process.geteuid?.() && uid !== 0) {
    return `the state folder ${stateDir} belongs to user ${uid}, who can remove or replace what is in it`;
  }
  if ((mode & OTHERS_WRITE) === 0) return null;
  return `others than this user may write into the state folder ${stateDir}, and remove what is in it: chmod go-w ${stateDir}`;
}
