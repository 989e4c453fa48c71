import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { AppConfig } from '../config/schema.js';
import { measure } from '../decide/measure.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import { replaceOwn, readOwn } from '../own-files.js';
import { DayBook, type DayPage } from '../observe/day.js';
import type { Workers, WorkerState } from '../observe/tracker.js';
import { dayFile, parseDayFile } from './day-file.js';

/** Milliseconds; what comes within them goes in one write. */
const DEBOUNCE_MS = 2000;

interface KeeperParts {
  stateDir: string;
  clock: Clock;
  log: Log;
}

/** Keeps the last day, and has it on disk behind the rounds' back: one write in two minutes, and one at the end. */
export class DayKeeper {
  readonly book: DayBook;
  /** When it was last on disk, in milliseconds since the Unix epoch; null: not yet. */
  savedAtMs: number | null = null;
  /** The last attempt failed. */
  hasFailed = false;
  readonly #parts: KeeperParts;
  readonly #closing = new AbortController();
  #saving: Promise<void> | null = null;
  #isDirty = false;

  private constructor(book: DayBook, parts: KeeperParts) {
    this.book = book;
    this.#parts = parts;
  }

  /** With what an earlier warden has saved. Never rejects: what cannot be read is told, and begins anew. */
  static async open(parts: KeeperParts): Promise<DayKeeper> {
    return new DayKeeper(new DayBook(await load(parts)), parts);
  }

  /** Once a round; waits for nobody. */
  look(apps: readonly AppConfig[], workers: Workers): void {
    const memory = new Map(apps.map((app) => [app.name, app.memory]));
    const residentOf = (worker: WorkerState) => measure(worker, 'rss', memory.get(worker.app) ?? 'tree') ?? NaN;
    if (this.book.add(workers, residentOf)) this.#save();
  }

  /** Saves what there is, at once. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#save();
    await this.#saving;
  }

  #save(): void {
    this.#isDirty = true;
    this.#saving ??= this.#saveAll().finally(() => (this.#saving = null));
  }

  async #saveAll(): Promise<void> {
    const { stateDir, clock, log } = this.#parts;
    while (this.#isDirty) {
      await clock.sleep(DEBOUNCE_MS, this.#closing.signal);
      this.#isDirty = false;
      try {
        await replaceOwn(pathIn(stateDir), dayFile(this.book.pages));
        this.savedAtMs = clock.now();
        this.hasFailed = false;
      } catch (error) {
        if (!this.hasFailed) log.error(`the history of the last day could not be saved: ${messageOf(error)}`);
        this.hasFailed = true;
      }
    }
  }
}

const pathIn = (stateDir: string): string => join(stateDir, 'day.bin');

async function load({ stateDir, log }: KeeperParts): Promise<Pick<DayPage, 'app' | 'worker' | 'day'>[]> {
  const path = pathIn(stateDir);
  const file = await readOwn(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') log.warn(`the history of the last day begins anew, it could not be read: ${error.message}`);
    return null;
  });
  const pages = file && parseDayFile(file);
  if (file && !pages) log.warn(`the history of the last day begins anew: ${path} is damaged, or of another version`);
  return pages ?? [];
}
