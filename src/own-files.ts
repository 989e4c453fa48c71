/**
 * Files of the warden's own, in folders where others may have put something in their place: no symbolic link is followed,
 * nothing but a plain file is opened, and a stranger's file is not read.
 */
import { constants } from 'node:fs';
import { lstat, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatBytes } from './units.js';

const { O_APPEND, O_CREAT, O_EXCL, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;
// Windows has neither; there, who may write into the folder decides.
const CAREFUL = (constants.O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);

const FLAGS = { read: O_RDONLY, append: O_APPEND | O_CREAT | O_RDWR };

/** Of a folder's mode: group and others may put something in the place of what is in it. */
export const OTHERS_WRITE = 0o022;

/**
 * Opens a file that is there, or one for appending and reading, made with mode 0600 where it is missing. Throws Node's
 * errors, and an Error that says what is in its place.
 */
export async function openOwn(path: string, how: 'read' | 'append'): Promise<FileHandle> {
  const file = await open(path, FLAGS[how] | CAREFUL, 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ELOOP') throw new Error(`${path} is a symbolic link, which heapwarden does not follow; remove it`, { cause: error });
    // A FIFO that nobody reads (open(2)), or a socket.
    if (error.code === 'ENXIO') throw new Error(`${path} is no plain file; remove it`, { cause: error });
    throw error;
  });
  try {
    await assertOwn(path, file);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Throws as `openOwn` does, and TooLarge. */
export async function readOwn(path: string, mostBytes = Infinity): Promise<Buffer> {
  const file = await openOwn(path, 'read');
  try {
    return await (mostBytes === Infinity ? file.readFile() : readAtMost(file, mostBytes));
  } finally {
    await file.close();
  }
}

/** A file holds more than is read of such a one. */
export class TooLarge extends Error {
  constructor(mostBytes: number) {
    super(`it is larger than ${formatBytes(mostBytes)}`);
  }
}

const PIECE_BYTES = 2 ** 20;

/**
 * All that a file holds, which may grow meanwhile, or say of itself that it is empty. Throws Node's errors, and TooLarge.
 */
export async function readAtMost(file: FileHandle, mostBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  const stream = file.createReadStream({ start: 0, end: mostBytes, autoClose: false, highWaterMark: PIECE_BYTES });
  for await (const piece of stream as AsyncIterable<Buffer>) {
    pieces.push(piece);
    bytes += piece.length;
  }
  if (bytes > mostBytes) throw new TooLarge(mostBytes); // `end` is read, too
  return Buffer.concat(pieces);
}

/** Makes a file with mode 0600 in the place of whatever was there, for appending and reading. Throws Node's errors. */
export async function createOwn(path: string): Promise<FileHandle> {
  await rm(path, { force: true });
  return open(path, O_APPEND | O_CREAT | O_RDWR | O_EXCL, 0o600); // O_EXCL follows no link: open(2)
}

/** Writes a file whole or not at all, by way of `PATH.new`. Throws Node's errors. */
export async function replaceOwn(path: string, pieces: readonly (string | Uint8Array)[]): Promise<void> {
  const draft = `${path}.new`;
  try {
    const file = await createOwn(draft);
    try {
      for (const piece of pieces) await file.appendFile(piece);
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
}

/** Throws an Error where a folder's name stands for something else: a link would lead what is written elsewhere. */
export async function assertFolder(path: string): Promise<void> {
  if (!(await lstat(path)).isDirectory()) throw new Error(`${path} is no folder (a symbolic link counts as none); remove it`);
}

/** Its owner is this user, root, or whoever owns the folder and so may do there what he likes. */
async function assertOwn(path: string, file: FileHandle): Promise<void> {
  const facts = await file.stat();
  if (!facts.isFile()) throw new Error(`${path} is no plain file; remove it`);
  const me = process.geteuid?.();
  if (me === undefined || facts.uid === me || facts.uid === 0) return;
  if (facts.uid === (await stat(dirname(path))).uid) return;
  throw new Error(`${path} belongs to user ${facts.uid}, who has put it there; remove it, and see who may write into its folder`);
}
