/**
 * AMP (https://github.com/tj/node-amp) frames a message: one byte, protocol version 1 in the high nibble and the number
 * of arguments in the low one, then for each argument its length (uint32, big endian) and its bytes.
 */
const AMP_VERSION = 1;
/** PM2's list has some 4 kB a process, more where environments are large (it holds them twice): room for thousands. */
const MAX_MESSAGE_BYTES = 64 * 2 ** 20;

/** One AMP message. At most 15 arguments, as their number has four bits. */
export function encodeAmp(args: readonly Buffer[]): Buffer {
  if (args.length > 15) throw new RangeError(`an AMP message holds at most 15 arguments, not ${args.length}`);
  return Buffer.concat([Buffer.of((AMP_VERSION << 4) | args.length), ...args.flatMap((arg) => [lengthOf(arg), arg])]);
}

function lengthOf(arg: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(arg.length);
  return length;
}

/** Reads as the format does; yields how many bytes it wants next. */
function* readMessages(emit: (args: Buffer[]) => void, maxBytes: number): Generator<number, never, Buffer> {
  for (;;) {
    const meta = (yield 1).readUInt8();
    if (meta >> 4 !== AMP_VERSION) throw new Error('the answer is not in the AMP format');
    const args: Buffer[] = [];
    let bytes = 0;
    for (let left = meta & 0x0f; left > 0; left--) {
      const length = (yield 4).readUInt32BE();
      bytes += length;
      if (bytes > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
      args.push(yield length);
    }
    emit(args);
  }
}

/** AMP messages out of a stream cut anywhere. Throws on what is not AMP or too large; it is of no use after that. */
export class AmpDecoder {
  readonly #reader: Generator<number, never, Buffer>;
  #wanted: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #messages: Buffer[][] = [];

  constructor(maxBytes = MAX_MESSAGE_BYTES) {
    this.#reader = readMessages((args) => this.#messages.push(args), maxBytes);
    this.#wanted = this.#reader.next().value;
  }

  /** The messages, as lists of arguments, that this chunk completes. */
  push(chunk: Buffer): Buffer[][] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= this.#wanted) this.#wanted = this.#reader.next(this.#take(this.#wanted)).value;
    return this.#messages.splice(0);
  }

  #take(count: number): Buffer {
    const parts: Buffer[] = [];
    for (let left = count; left > 0; ) {
      const head = this.#chunks.shift()!;
      parts.push(head.subarray(0, left));
      if (head.length > left) this.#chunks.unshift(head.subarray(left));
      left -= Math.min(left, head.length);
    }
    this.#bytes -= count;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, count);
  }
}
