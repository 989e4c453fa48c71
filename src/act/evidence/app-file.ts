/** A file that an app has named. Linux alone can look at one without opening it: elsewhere a device is opened. */
import { constants, open, type FileHandle } from 'node:fs/promises';
import { readAtMost, TooLarge } from '../../own-files.js';

/** Linux's open(2), generic number: a descriptor that is not the open file; to open a device does something to it. */
const O_PATH = 0o10000000;
const NAMED = process.platform === 'linux' ? O_PATH : constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * The text of a plain file: the app says which, and it may say what it likes. A warden that is root reads nothing that
 * only root may read: what the app names is to be what the app could have read. Throws an Error, and TooLarge.
 */
export async function textOf(path: string, mostBytes: number): Promise<string> {
  const named = await open(path, NAMED);
  try {
    const facts = await named.stat();
    const isRootsOwn = process.geteuid?.() === 0 && facts.uid === 0 && (facts.mode & 0o004) === 0;
    if (!facts.isFile() || isRootsOwn) throw new Error('no file to read');
    if (facts.size > mostBytes) throw new TooLarge(mostBytes);
    return await contentOf(named, mostBytes);
  } finally {
    await named.close();
  }
}

async function contentOf(named: FileHandle, mostBytes: number): Promise<string> {
  if (process.platform !== 'linux') return (await readAtMost(named, mostBytes)).toString('utf8');
  const file = await open(`/proc/self/fd/${named.fd}`, 'r'); // the very file that was looked at: proc_pid_fd(5)
  try {
    return (await readAtMost(file, mostBytes)).toString('utf8');
  } finally {
    await file.close();
  }
}
