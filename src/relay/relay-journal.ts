import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setAsideOf, type JournalOptions } from '../act/journal.js';
import { LinesFile } from '../act/lines-file.js';
import { readText, type LinesReader } from '../act/lines-reader.js';
import { stateUnwritable } from '../act/state-folder.js';
import { isGroup } from '../config/merge.js';
import { relayed, type Delivery, type RelayedAlert } from './queue.js';

/** Undelivered alerts on disk: one JSON object a line, appended; of each alert for each warden the last line holds. */
type Line =
  | { v: 1; type: 'held'; instance: string; since_ms: number; alert: RelayedAlert }
  | { v: 1; type: 'done'; instance: string; fingerprint: string };

export type Held = Pick<Delivery, 'instance' | 'alert' | 'sinceMs'>;

export interface HeldContent {
  held: Held[];
  /** Number of lines that could not be read. */
  damaged: number;
}

const COMPACT_ABOVE_BYTES = 4 * 2 ** 20;

export class RelayJournal {
  readonly #file: LinesFile;
  readonly #onError: (error: unknown) => void;
  /** Of which there is a line that says they are held. */
  readonly #known: Set<string>;

  private constructor(file: LinesFile, known: Set<string>, onError: (error: unknown) => void) {
    this.#file = file;
    this.#known = known;
    this.#onError = onError;
  }

  /** Reads what is there, and opens it. A damaged file is kept beside it. Throws HeapwardenError STATE_UNWRITABLE. */
  static async open(
    stateDir: string,
    onError: (error: unknown) => void,
    { compactAboveBytes = COMPACT_ABOVE_BYTES, onMoved }: JournalOptions = {},
  ) {
    const path = join(stateDir, 'relay.jsonl');
    try {
      await mkdir(stateDir, { recursive: true, mode: 0o700 });
      const { file, reader } = await LinesFile.open(path, { compactAboveBytes, reader: () => new HeldReader(), onMoved });
      const content = reader.content();
      const setAside = content.damaged > 0 ? await setAsideOf(path) : null;
      await file.compact({ now: setAside !== null });
      return { journal: new RelayJournal(file, new Set(content.held.map(keyOf)), onError), content, setAside };
    } catch (error) {
      throw stateUnwritable(stateDir, error);
    }
  }

  /** Resolves when all of them are on disk (fsync). Throws HeapwardenError JOURNAL_UNWRITABLE. */
  async hold(deliveries: readonly Held[]): Promise<void> {
    if (deliveries.length === 0) return;
    // Before they are written: one that is delivered meanwhile has its line after theirs.
    for (const delivery of deliveries) this.#known.add(keyOf(delivery));
    await this.#file.append(deliveries.map(heldLine).join(''));
  }

  /**
   * It need not be delivered any more. Nobody waits for the line: where it is lost, the alert is delivered once more,
   * and the warden says that it knows it.
   */
  done(delivery: Held): void {
    if (!this.#known.delete(keyOf(delivery))) return;
    const line: Line = { v: 1, type: 'done', instance: delivery.instance, fingerprint: delivery.alert.fingerprint };
    this.#file.append(`${JSON.stringify(line)}\n`, { isOwed: true }).catch(this.#onError);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

class HeldReader implements LinesReader {
  readonly #held = new Map<string, Held>();
  #damaged = 0;

  add(raw: string): void {
    const line = parseLine(raw);
    if (line?.type === 'held') {
      const { instance, since_ms, alert } = line;
      this.#held.set(keyOf(line), { instance, alert: relayed(alert), sinceMs: since_ms });
    } else if (line) this.#held.delete(keyOf({ instance: line.instance, alert: line }));
    else this.#damaged++;
  }

  content(): HeldContent {
    return { held: [...this.#held.values()], damaged: this.#damaged };
  }

  needed(): string {
    return this.content().held.map(heldLine).join('');
  }
}

/** Pure. Oldest first. */
export function parseHeld(text: string): HeldContent {
  return readText(text, new HeldReader()).content();
}

function heldLine({ instance, alert, sinceMs }: Held): string {
  const line: Line = { v: 1, type: 'held', instance, since_ms: sinceMs, alert };
  return `${JSON.stringify(line)}\n`;
}

const keyOf = ({ instance, alert }: { instance: string; alert: { fingerprint: string } }): string =>
  `${instance}\u0000${alert.fingerprint}`;

function parseLine(raw: string): Line | null {
  try {
    const line: unknown = JSON.parse(raw);
    if (!isGroup(line) || line['v'] !== 1 || typeof line['instance'] !== 'string') return null;
    const { type, alert, since_ms, fingerprint } = line;
    const isWhole =
      (type === 'done' && typeof fingerprint === 'string') ||
      (type === 'held' && typeof since_ms === 'number' && isAlert(alert));
    return isWhole ? (line as unknown as Line) : null;
  } catch {
    return null;
  }
}

function isAlert(alert: unknown): boolean {
  if (!isGroup(alert) || !isGroup(alert['labels'])) return false;
  const texts = [alert['status'], alert['startsAt'], alert['fingerprint'], ...Object.values(alert['labels'])];
  return texts.every((value) => typeof value === 'string');
}
