import { constants } from 'node:fs';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { AppState } from './app-state.js';
import type { Outcome, Recorded } from './incident.js';
import { JournalReader, textOf, type JournalContent } from './journal-lines.js';
import { LinesFile } from './lines-file.js';
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

export interface JournalOptions {
  compactAboveBytes?: number;
  /** Somebody has moved or removed the file; it has been written anew in its place. */
  onMoved?(path: string): void;
}

export class Journal {
  readonly #file: LinesFile;

  private constructor(file: LinesFile) {
    this.#file = file;
  }

  /** The last line could not be written. */
  get hasFailed(): boolean {
    return this.#file.hasFailed;
  }

  /**
   * Reads what is there and opens it for appending. A file with lines that cannot be read is kept beside it as it is,
   * and the journal goes on without them. Throws HeapwardenError STATE_UNWRITABLE.
   */
  static async open(
    stateDir: string,
    { compactAboveBytes = COMPACT_ABOVE_BYTES, onMoved }: JournalOptions = {},
  ): Promise<OpenedJournal> {
    const path = join(stateDir, JOURNAL_FILE);
    try {
      await mkdir(stateDir, { recursive: true, mode: 0o700 });
      const { file, reader } = await LinesFile.open(path, { compactAboveBytes, reader: () => new JournalReader(), onMoved });
      const content = reader.content();
      const setAside = content.damaged > 0 ? await setAsideOf(path) : null;
      await file.compact({ now: setAside !== null });
      return { journal: new Journal(file), content, setAside };
    } catch (error) {
      throw stateUnwritable(stateDir, error);
    }
  }

  /**
   * Resolves when the line is on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE: a restart is not done then; a
   * refusal or a death has been, and is written as soon as another line can be.
   */
  record(incident: Recorded): Promise<void> {
    return this.#file.append(textOf({ v: 1, type: 'incident', incident }), { isOwed: incident.action !== 'restart' });
  }

  /**
   * Resolves when the line is on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE; it is written then as soon as
   * another line can be.
   */
  complete(id: string, outcome: Outcome): Promise<void> {
    return this.#file.append(textOf({ v: 1, type: 'outcome', id, outcome }), { isOwed: true });
  }

  /** Resolves when the line is on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE. */
  note(app: string, state: AppState): Promise<void> {
    return this.#file.append(textOf({ v: 1, type: 'app', app, state }));
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Keeps a copy of a damaged journal, named after the moment; null where that cannot be written. */
export async function setAsideOf(path: string): Promise<string | null> {
  const time = new Date().toISOString().replace(/[-:.]/g, '');
  const copy = path.replace(/\.jsonl$/, `.damaged-${time}.jsonl`);
  return copyFile(path, copy, constants.COPYFILE_EXCL).then(() => copy, () => null);
}

/** What a person is told of one that was moved or removed while it was written to. */
export function describeMoved(path: string): string {
  return `${path} was moved or removed while it was in use; all that is remembered has been written there anew`;
}

/** What a person is told of a journal that had damaged lines. */
export function describeDamage(opened: { content: { damaged: number }; setAside: string | null }): string {
  const { content: { damaged: lines }, setAside } = opened;
  const kept = setAside === null ? 'they stay where they are' : `the file as it was is kept as ${setAside}`;
  return `${lines} ${lines === 1 ? 'line' : 'lines'} of the journal could not be read; all others were taken over, and ${kept}`;
}
