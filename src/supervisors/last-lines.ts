const MOST_LINES = 10;
const MOST_CHARACTERS = 2000;
// A character takes up to four bytes.
const MOST_BYTES = 4 * MOST_CHARACTERS;

/** Keeps the end of what a program writes, in bounded memory. */
export class LastLines {
  #kept = Buffer.alloc(0);

  push(chunk: Buffer): void {
    this.#kept = Buffer.concat([this.#kept, chunk]).subarray(-MOST_BYTES);
  }

  /** At most 10 lines and 2000 characters, without control characters. */
  get text(): string {
    const plain = this.#kept
      .toString('utf8')
      .replaceAll(/\x1b\[[\d;?]*[A-Za-z]/g, '') // colours
      .replaceAll(/\r\n?/g, '\n')
      .replaceAll(/[^\P{C}\n\t]/gu, '');
    return plain.trim().split('\n').slice(-MOST_LINES).join('\n').slice(-MOST_CHARACTERS);
  }
}
