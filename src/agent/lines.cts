const NEWLINE = 0x0a;

/** Cuts a stream of bytes into lines of UTF-8 text. */
export class LineReader {
  readonly #maxBytes: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The lines that `chunk` completes, without their newlines; null once a line is longer than `maxBytes`. */
  push(chunk: Buffer): string[] | null {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const lines: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      if (end - start > this.#maxBytes) return null;
      lines.push(bytes.toString('utf8', start, end));
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    return this.#rest.length > this.#maxBytes ? null : lines;
  }
}
