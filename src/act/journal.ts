import { copyFile, mkdir, open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HeapwardenError, messageOf } from '../errors.js';
import type { AppState } from './app-state.js';
import type { Outcome, Recorded } from './incident.js';
import { linesOf, parseJournal, textOf, type JournalContent, type Line } from './journal-lines.js';
import { stateUnwritable } from './state-folder.js';

export const JOURNAL_FILE = 'journal.jsonl';
/** Above this the journal is written anew, with what is still remembered. */
const COMPACT_ABOVE_BYTES = 4 * 2 ** 20;

export interface OpenedJournal {
  journal: Journal;
  content: JournalContent;
  /** Where the file was kept as it was found, because of its damaged lines; null where there is none, or no room. */
  setAside: string | null;
}

/** A line that waits to be written. */
interface Waiting {
  text: string;
  /** It tells what has been done, and holds whether it can be written or not. */
  isOutcome: boolean;
  done(): void;
  failed(error: unknown): void;
}

export class Journal {
  /** The last line could not be written. */
  hasFailed = false;
  readonly #path: string;
  readonly #compactAboveBytes: number;
  #file: FileHandle;
  /** The size from which on it is worth being written anew. */
  #compactAt = 0;
  /** The file may end in half a line, which what follows must not continue. */
  #torn = false;
  /** Lines that came while others were being written: they go together, in one write and one fsync. */
  #waiting: Waiting[] = [];
  /** Outcomes that could not be written: they go before the next line that can. */
  #owed = '';
  #writing: Promise<void> | null = null;

  private constructor(path: string, file: FileHandle, compactAboveBytes: number) {
    this.#path = path;
    this.#file = file;
    this.#compactAboveBytes = compactAboveBytes;
  }

  /**
   * Reads what is there and opens it for appending. A file with lines that cannot be read is kept beside it as it is,
   * and the journal goes on without them. Throws HeapwardenError STATE_UNWRITABLE.
   */
  static async open(stateDir: string, compactAboveBytes = COMPACT_ABOVE_BYTES): Promise<OpenedJournal> {
    const path = join(stateDir, JOURNAL_FILE);
    try {
      await mkdir(stateDir, { recursive: true, mode: 0o700 });
      const file = await open(path, 'a', 0o600);
      await syncFolder(stateDir);
      const text = await readFile(path, 'utf8');
      const content = parseJournal(text);
      const journal = new Journal(path, file, compactAboveBytes);
      journal.#torn = text !== '' && !text.endsWith('\n');
      const setAside = content.damaged > 0 ? await setAsideOf(path) : null;
      journal.#compactAt = setAside === null ? compactAboveBytes : 0;
      await journal.#compactWhereLarge();
      return { journal, content, setAside };
    } catch (error) {
      throw stateUnwritable(stateDir, error);
    }
  }

  /** Resolves when the line is on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE. */
  record(incident: Recorded): Promise<void> {
    return this.#append({ v: 1, type: 'incident', incident });
  }

  /**
   * Resolves when the line is on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE; it is written then as soon as
   * another line can be.
   */
  complete(id: string, outcome: Outcome): Promise<void> {
    return this.#append({ v: 1, type: 'outcome', id, outcome });
  }

  /** Resolves when the line is on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE. */
  note(app: string, state: AppState): Promise<void> {
    return this.#append({ v: 1, type: 'app', app, state });
  }

  async close(): Promise<void> {
    await this.#writing;
    if (this.#owed !== '') await this.#write('').catch(() => {}); // the next warden finds out for itself
    await this.#file.close();
  }

  #append(line: Line): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ text: textOf(line), isOutcome: line.type === 'outcome', done: resolve, failed: reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Never rejects: whoever waits for a line is told. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      try {
        await this.#write(batch.map(({ text }) => text).join(''));
        for (const { done } of batch) done();
      } catch (error) {
        this.#owed += batch.filter(({ isOutcome }) => isOutcome).map(({ text }) => text).join('');
        for (const { failed } of batch) failed(error);
      }
      await this.#compactWhereLarge().catch(() => {}); // the journal stays as it is
    }
    this.#writing = null; // in the same turn as the last look at what waits
  }

  async #write(text: string): Promise<void> {
    const { size } = await this.#file.stat().catch(unwritable);
    try {
      await this.#file.appendFile(`${this.#torn ? '\n' : ''}${this.#owed}${text}`);
      await this.#file.datasync();
      this.#torn = false;
      this.#owed = '';
      this.hasFailed = false;
    } catch (error) {
      this.hasFailed = true;
      // Whoever waits for these lines is told that they are not on record: the next warden must not find one of them.
      this.#torn = await this.#file.truncate(size).then(() => this.#torn, () => true);
      unwritable(error);
    }
  }

  /** Where it cannot be written anew it stays as it is, and that is tried again when it has doubled. */
  async #compactWhereLarge(): Promise<void> {
    const { size } = await this.#file.stat();
    if (size <= this.#compactAt) return;
    this.#compactAt = 2 * size;
    const old = this.#file;
    this.#file = await rewritten(this.#path).catch(() => old);
    if (this.#file === old) return;
    this.#torn = false;
    this.#compactAt = Math.max(this.#compactAboveBytes, 2 * (await this.#file.stat()).size);
    await old.close();
  }
}

function unwritable(error: unknown): never {
  const message = `the journal cannot be written: ${messageOf(error)}`;
  throw new HeapwardenError('JOURNAL_UNWRITABLE', message, { cause: error });
}

/** The journal's new file, opened for appending. It takes the old one's place in one step, or not at all. */
async function rewritten(path: string): Promise<FileHandle> {
  const lines = linesOf(parseJournal(await readFile(path, 'utf8')));
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await open(draft, 'a', 0o600);
  try {
    await file.appendFile(lines.map(textOf).join(''));
    await file.sync();
    await rename(draft, path);
  } catch (error) {
    await file.close();
    await rm(draft, { force: true });
    throw error;
  }
  await syncFolder(dirname(path)).catch(() => {}); // the new file is in its place either way
  return file;
}

/** Keeps a copy of a damaged journal, named after the moment; null where that cannot be written. */
async function setAsideOf(path: string): Promise<string | null> {
  const time = new Date().toISOString().replace(/[-:.]/g, '');
  const copy = path.replace(/\.jsonl$/, `.damaged-${time}.jsonl`);
  return copyFile(path, copy).then(() => copy, () => null);
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

/** What a person is told of a journal that had damaged lines. */
export function describeDamage({ content: { damaged: lines }, setAside }: OpenedJournal): string {
  const kept = setAside === null ? 'they stay where they are' : `the file as it was is kept as ${setAside}`;
  return `${lines} ${lines === 1 ? 'line' : 'lines'} of the journal could not be read; all others were taken over, and ${kept}`;
}
