/** Bytes. V8's words at its end take 2 to 6 kB with their stack trace; a wrapper such as npm adds some lines. */
export const TAIL_BYTES = 16 * 1024;

/** The end of what a process writes, both streams as they come. */
export class OutputTail {
  #bytes = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
  }

  /** Without the line that it begins in the middle of. */
  text(): string {
    return wholeLines(this.#bytes.toString(), this.#bytes.length === TAIL_BYTES);
  }
}

export const wholeLines = (text: string, isCut: boolean): string => (isCut ? text.slice(text.indexOf('\n') + 1) : text);
