import { open, mkdir, readFile, rename, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { HeapwardenError, messageOf } from '../errors.js';
import type { Incident, Outcome } from './incident.js';

/**
 * The journal: one JSON object a line, appended and never changed. An `incident` line stands before anything is
 * touched; an `outcome` line completes it. A line that cannot be read (half written when the power went) is set
 * aside by the reader and harms no other.
 */
type Line = { v: 1; type: 'incident'; incident: Incident } | { v: 1; type: 'outcome'; id: string; outcome: Outcome };

/** Above this the journal is written anew at start, with the incidents that are still remembered. */
const COMPACT_ABOVE_BYTES = 4 * 2 ** 20;
export const REMEMBERED_INCIDENTS = 1000;

export interface JournalContent {
  /** Oldest first, at most REMEMBERED_INCIDENTS. */
  incidents: Incident[];
  /** Number of lines that could not be read. */
  damaged: number;
}

export class Journal {
  readonly #file: FileHandle;
  /** Appends go one after the other, so that lines never mix. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Reads what is there and opens it for appending. Throws HeapwardenError STATE_UNWRITABLE. */
  static async open(stateDir: string): Promise<{ journal: Journal; content: JournalContent }> {
    const path = join(stateDir, 'journal.jsonl');
    try {
      await mkdir(stateDir, { recursive: true, mode: 0o700 });
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return '';
        throw error;
      });
      const content = parseJournal(text);
      if (text.length > COMPACT_ABOVE_BYTES) await rewrite(path, content.incidents);
      const file = await open(path, 'a', 0o600);
      if (text !== '' && !text.endsWith('\n')) await file.appendFile('\n');
      return { journal: new Journal(file), content };
    } catch (error) {
      throw new HeapwardenError(
        'STATE_UNWRITABLE',
        `the state folder ${stateDir} cannot be used: ${messageOf(error)}. Make it writable for this user, or set state_dir in the config`,
        { cause: error },
      );
    }
  }

  /** Resolves when the line is on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE. */
  record(incident: Incident): Promise<void> {
    return this.#append({ v: 1, type: 'incident', incident });
  }

  /** Resolves when the line is on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE. */
  complete(id: string, outcome: Outcome): Promise<void> {
    return this.#append({ v: 1, type: 'outcome', id, outcome });
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#file.close();
  }

  #append(line: Line): Promise<void> {
    const done = this.#last.then(async () => {
      try {
        await this.#file.appendFile(JSON.stringify(line) + '\n');
        await this.#file.datasync();
      } catch (error) {
        throw new HeapwardenError('JOURNAL_UNWRITABLE', `the journal cannot be written: ${messageOf(error)}`, { cause: error });
      }
    });
    this.#last = done.catch(() => {});
    return done;
  }
}

/** Incidents with their outcomes, oldest first. Pure. */
export function parseJournal(text: string): JournalContent {
  const incidents = new Map<string, Incident>();
  let damaged = 0;
  for (const raw of text.split('\n')) {
    if (raw === '') continue;
    const line = parseLine(raw);
    const known = line?.type === 'outcome' ? incidents.get(line.id) : undefined;
    if (line?.type === 'incident') incidents.set(line.incident.id, line.incident);
    else if (line?.type === 'outcome' && known) known.outcome = line.outcome;
    else damaged++;
  }
  return { incidents: [...incidents.values()].slice(-REMEMBERED_INCIDENTS), damaged };
}

function parseLine(raw: string): Line | null {
  try {
    const line = JSON.parse(raw) as Partial<Line> | null;
    if (line?.v !== 1) return null;
    if (line.type === 'incident' && typeof line.incident?.id === 'string') return line as Line;
    if (line.type === 'outcome' && typeof line.id === 'string' && line.outcome) return line as Line;
    return null;
  } catch {
    return null;
  }
}

async function rewrite(path: string, incidents: readonly Incident[]): Promise<void> {
  const draft = `${path}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    for (const incident of incidents) {
      await file.appendFile(JSON.stringify({ v: 1, type: 'incident', incident } satisfies Line) + '\n');
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}
