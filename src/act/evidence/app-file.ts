/** A file that an app has named. Linux alone can look at one without opening it: elsewhere a device is opened. */
import { constants, open, type FileHandle } from 'node:fs/promises';

/** Bytes; a larger file is not read. */
const LARGEST = 32 * 2 ** 20;
/** Linux's open(2), generic number: a descriptor that is not the open file; to open a device does something to it. */
const O_PATH = 0o10000000;
const NAMED = process.platform === 'linux' ? O_PATH : constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * The text of a plain file: the app says which, and it may say what it likes. A warden that is root reads nothing that
 * only root may read: what the app names is to be what the app could have read. Throws an Error.
 */
export async function textOf(path: string): Promise<string> {
  const named = await open(path, NAMED);
  try {
    const facts = await named.stat();
    const isRootsOwn = process.geteuid?.() === 0 && facts.uid === 0 && (facts.mode & 0o004) === 0;
    if (!facts.isFile() || facts.size > LARGEST || isRootsOwn) throw new Error('no file to read');
    return await contentOf(named);
  } finally {
    await named.close();
  }
}

async function contentOf(named: FileHandle): Promise<string> {
  if (process.platform !== 'linux') return named.readFile('utf8');
  const file = await open(`/proc/self/fd/${named.fd}`, 'r'); // the very file that was looked at: proc_pid_fd(5)
  try {
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
