import type { Stats } from 'node:fs';
import { lstat, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HeapwardenError, messageOf } from '../errors.js';
import { createOwn, openOwn } from '../own-files.js';
import { readLines, type LinesReader } from './lines-reader.js';

export interface LinesFileOptions<R extends LinesReader = LinesReader> {
  /** The size from which on it is worth being written anew. */
  compactAboveBytes: number;
  /** A new one, for each time that the file is read. */
  reader(): R;
  /** It was moved or removed by somebody, and is back in its place with all that is needed of it. */
  onMoved?: ((path: string) => void) | undefined;
}

/** Characters of owed lines: what is refused while nothing can be written may have no end. */
const MOST_OWED = 4_000_000;

/** Lines that wait to be written. */
interface Waiting {
  text: string;
  /** It tells what has been done, and holds whether it can be written or not. */
  isOwed: boolean;
  done(): void;
  failed(error: unknown): void;
}

/**
 * A file of whole lines that is only appended to, and is on disk when it says so. Lines that come while others are
 * being written go together, in one write and one fsync. A line that cannot be written leaves nothing behind. Where
 * somebody moves or removes it, as logrotate does, it is written anew before the next line.
 */
export class LinesFile {
  /** The last lines could not be written. */
  hasFailed = false;
  readonly #path: string;
  readonly #options: LinesFileOptions;
  #file: FileHandle;
  #compactAt: number;
  /** The file may end in half a line, which what follows must not continue. */
  #torn: boolean;
  #waiting: Waiting[] = [];
  /** Owed lines that could not be written: they go before the next line that can. */
  #owed = '';
  #writing: Promise<void> | null = null;

  private constructor(path: string, file: FileHandle, torn: boolean, options: LinesFileOptions) {
    this.#path = path;
    this.#file = file;
    this.#torn = torn;
    this.#options = options;
    this.#compactAt = options.compactAboveBytes;
  }

  /**
   * Made with mode 0600 where it is missing; its folder must be there. `reader` has read what stood in it. Throws as
   * openOwn does.
   */
  static async open<R extends LinesReader>(
    path: string,
    options: LinesFileOptions<R>,
  ): Promise<{ file: LinesFile; reader: R }> {
    const handle = await openOwn(path, 'append');
    await syncFolder(dirname(path));
    const reader = options.reader();
    const { isTorn } = await readLines(handle, reader);
    return { file: new LinesFile(path, handle, isTorn, options), reader };
  }

  /**
   * Resolves when `text`, whole lines, is on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE; where it is
   * owed, it is written then as soon as another line can be.
   */
  append(text: string, { isOwed = false } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text, isOwed, done: resolve, failed: reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async close(): Promise<void> {
    await this.#writing;
    if (this.#owed !== '') await this.#write('').catch(() => {}); // whoever opens it next finds out for itself
    await this.#file.close();
  }

  /**
   * Writes the file anew where it has grown large, or at once where `now` says so. Where it cannot be, it stays as it
   * is, and that is tried again when it has doubled.
   */
  async compact({ now = false } = {}): Promise<void> {
    const { size } = await this.#file.stat();
    if (size <= (now ? 0 : this.#compactAt)) return;
    this.#compactAt = 2 * size;
    const old = this.#file;
    this.#file = await this.#rewritten([old]).catch(() => old);
    if (this.#file === old) return;
    this.#torn = false;
    this.#compactAt = Math.max(this.#options.compactAboveBytes, 2 * (await this.#file.stat()).size);
    await old.close();
  }

  /** Never rejects: whoever waits for a line is told. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      try {
        await this.#write(batch.map(({ text }) => text).join(''));
        for (const { done } of batch) done();
      } catch (error) {
        for (const { text, isOwed } of batch) if (isOwed && this.#owed.length < MOST_OWED) this.#owed += text;
        for (const { failed } of batch) failed(error);
      }
      await this.compact().catch(() => {}); // the file stays as it is
    }
    this.#writing = null; // in the same turn as the last look at what waits
  }

  async #write(text: string): Promise<void> {
    const { size } = await this.#inPlace().catch((error: unknown) => {
      this.hasFailed = true;
      return unwritable(error);
    });
    try {
      await this.#file.appendFile(`${this.#torn ? '\n' : ''}${this.#owed}${text}`);
      await this.#file.datasync();
      this.#torn = false;
      this.#owed = '';
      this.hasFailed = false;
    } catch (error) {
      this.hasFailed = true;
      // Whoever waits for these lines is told that they are not on record: who reads it next must not find one of them.
      this.#torn = await this.#file.truncate(size).then(() => this.#torn, () => true);
      unwritable(error);
    }
  }

  /** Makes sure that what is written is found under its path again; else a new warden would know nothing of it. */
  async #inPlace(): Promise<Stats> {
    const own = await this.#file.stat();
    if (process.platform === 'win32') return own; // not tried there
    const there = await lstat(this.#path).catch(() => null);
    if (there?.ino === own.ino && there.dev === own.dev) return own;
    const moved = this.#file;
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 }); // it may have gone with its folder
    // What lies there now may be a copy that somebody has put back: it is older than what was written.
    const found = await openOwn(this.#path, 'read').catch(() => null);
    try {
      this.#file = await this.#rewritten(found === null ? [moved] : [found, moved]);
    } finally {
      await found?.close();
    }
    this.#torn = false;
    await moved.close();
    this.#options.onMoved?.(this.#path);
    return this.#file.stat();
  }

  /** A new file with what is needed of these. It takes the place of what is there in one step, or not at all. */
  async #rewritten(files: readonly FileHandle[]): Promise<FileHandle> {
    const draft = `${this.#path}.new`;
    const file = await createOwn(draft); // first: it is what fails where nothing can be written
    try {
      const reader = this.#options.reader();
      for (const one of files) await readLines(one, reader);
      await file.appendFile(reader.needed());
      await file.sync();
      await rename(draft, this.#path);
    } catch (error) {
      await file.close();
      await rm(draft, { force: true });
      throw error;
    }
    await syncFolder(dirname(this.#path)).catch(() => {}); // the new file is in its place either way
    return file;
  }
}

function unwritable(error: unknown): never {
  const message = `the journal cannot be written: ${messageOf(error)}`;
  throw new HeapwardenError('JOURNAL_UNWRITABLE', message, { cause: error });
}

/** A new name in a folder is on disk when the folder is. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // it has no such thing
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
