import { mkdir, open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HeapwardenError, messageOf } from '../errors.js';
import { remembered, type Incident, type Outcome } from './incident.js';
import { stateUnwritable } from './state-folder.js';

/**
 * The journal: one JSON object a line, appended and never changed. An `incident` line stands before anything is
 * touched; an `outcome` line completes it. A line that cannot be read (half written when the power went) is set
 * aside by the reader and harms no other.
 */
type Line = { v: 1; type: 'incident'; incident: Incident } | { v: 1; type: 'outcome'; id: string; outcome: Outcome };

/** Above this the journal is written anew, with what is still remembered. */
const COMPACT_ABOVE_BYTES = 4 * 2 ** 20;

export interface JournalContent {
  /** Oldest first, as many as are remembered. */
  incidents: Incident[];
  /** Number of lines that could not be read. */
  damaged: number;
}

export class Journal {
  readonly #path: string;
  readonly #compactAboveBytes: number;
  #file: FileHandle;
  /** The size from which on it is worth being written anew. */
  #compactAt = 0;
  /** The last write failed, maybe half way: what follows must not continue its line. */
  #torn = false;
  /** Appends go one after the other, so that lines never mix. */
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle, compactAboveBytes: number) {
    this.#path = path;
    this.#file = file;
    this.#compactAboveBytes = compactAboveBytes;
  }

  /** Reads what is there and opens it for appending. Throws HeapwardenError STATE_UNWRITABLE. */
  static async open(
    stateDir: string,
    compactAboveBytes = COMPACT_ABOVE_BYTES,
  ): Promise<{ journal: Journal; content: JournalContent }> {
    const path = join(stateDir, 'journal.jsonl');
    try {
      await mkdir(stateDir, { recursive: true, mode: 0o700 });
      const file = await open(path, 'a', 0o600);
      await syncFolder(stateDir);
      const text = await readFile(path, 'utf8');
      const journal = new Journal(path, file, compactAboveBytes);
      journal.#torn = text !== '' && !text.endsWith('\n');
      journal.#compactAt = compactAboveBytes;
      await journal.#compactWhereLarge();
      return { journal, content: parseJournal(text) };
    } catch (error) {
      throw stateUnwritable(stateDir, error);
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
    const text = textOf(line);
    const done = this.#last.then(() => this.#write(text));
    this.#last = done.then(() => this.#compactWhereLarge()).catch(() => {}); // `done` has told its caller
    return done;
  }

  async #write(text: string): Promise<void> {
    try {
      await this.#file.appendFile(this.#torn ? `\n${text}` : text);
      await this.#file.datasync();
      this.#torn = false;
    } catch (error) {
      this.#torn = true;
      const message = `the journal cannot be written: ${messageOf(error)}`;
      throw new HeapwardenError('JOURNAL_UNWRITABLE', message, { cause: error });
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

/** The journal's new file, opened for appending. It takes the old one's place in one step, or not at all. */
async function rewritten(path: string): Promise<FileHandle> {
  const { incidents } = parseJournal(await readFile(path, 'utf8'));
  const draft = `${path}.new`;
  await rm(draft, { force: true });
  const file = await open(draft, 'a', 0o600);
  try {
    for (const incident of incidents) await file.appendFile(textOf({ v: 1, type: 'incident', incident }));
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

const textOf = (line: Line): string => `${JSON.stringify(line)}\n`;

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
  return { incidents: remembered([...incidents.values()]), damaged };
}

function parseLine(raw: string): Line | null {
  try {
    const line = JSON.parse(raw) as Partial<Line> | null;
    if (line?.v !== 1) return null;
    if (line.type === 'incident' && isIncident(line.incident)) return line as Line;
    if (line.type === 'outcome' && typeof line.id === 'string' && line.outcome) return line as Line;
    return null;
  } catch {
    return null;
  }
}

/** What the policy counts by; the rest is for readers. */
function isIncident(incident: Partial<Incident> | undefined): boolean {
  const { id, app, worker, atMs } = incident ?? {};
  return [id, app, worker].every((name) => typeof name === 'string') && Number.isFinite(atMs);
}
