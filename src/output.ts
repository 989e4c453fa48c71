import { StringDecoder } from 'node:string_decoder';

/** Characters; a longer line is passed on in pieces, so that an app that writes no newline costs no more than this. */
const LONGEST_LINE = 64 * 1024;

/** Cuts one stream's bytes into whole lines, so that the lines of several apps never mix. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = lines.pop() ?? '';
    lines.forEach(this.#onLine);
    if (this.#rest.length >= LONGEST_LINE) this.flush();
  }

  /** Passes on an unfinished last line. */
  flush(): void {
    if (this.#rest !== '') this.#onLine(this.#rest);
    this.#rest = '';
  }
}

/** Passes on what child apps write: `stdout` to ours, `stderr` to ours. */
export class OutputRelay {
  readonly #splitters = new Map<string, LineSplitter>();
  readonly #write: (stream: 'stdout' | 'stderr', text: string) => void;
  readonly #named: boolean;

  /** `named`: each line says whose it is (`shop/0 | …`); else it is passed on as it is, for programs that read it. */
  constructor(write: (stream: 'stdout' | 'stderr', text: string) => void, { named }: { named: boolean }) {
    this.#write = write;
    this.#named = named;
  }

  push(app: string, worker: string, stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const key = `${app}/${worker} ${stream}`;
    let splitter = this.#splitters.get(key);
    if (!splitter) {
      const prefix = this.#named ? `${app}/${worker} | ` : '';
      splitter = new LineSplitter((line) => this.#write(stream, `${prefix}${line}\n`));
      this.#splitters.set(key, splitter);
    }
    splitter.push(chunk);
  }

  close(): void {
    for (const splitter of this.#splitters.values()) splitter.flush();
    this.#splitters.clear();
  }
}
