import { LineSplitter } from '../../output.js';
import type { Clock } from '../../clock.js';

const MOST_LINES = 100;
/** Characters; a longer line is cut. */
const LONGEST_LINE = 2000;

type Stream = 'stdout' | 'stderr';

/** The last lines that each worker has written, where they pass through heapwarden: of child apps. */
export class LastWords {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #rings = new Map<string, string[]>();
  readonly #splitters = new Map<string, LineSplitter>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  push(app: string, worker: string, stream: Stream, chunk: Buffer): void {
    const key = `${app}\0${worker}\0${stream}`;
    let splitter = this.#splitters.get(key);
    if (!splitter) this.#splitters.set(key, (splitter = new LineSplitter((line) => this.#keep(app, worker, stream, line))));
    splitter.push(chunk);
  }

  /** Oldest first, each with its time and stream; null where none has come through here. */
  of(app: string, worker: string): readonly string[] | null {
    return this.#rings.get(`${app}\0${worker}`) ?? null;
  }

  #keep(app: string, worker: string, stream: Stream, line: string): void {
    const key = `${app}\0${worker}`;
    const ring = this.#rings.get(key) ?? [];
    ring.push(`${new Date(this.#clock.now()).toISOString()} ${stream} ${line.slice(0, LONGEST_LINE)}`);
    if (ring.length > MOST_LINES) ring.shift();
    this.#rings.set(key, ring);
  }
}
