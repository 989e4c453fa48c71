/** Frames of RFC 6455, section 5: from a server, unmasked; to a server, masked. */
import { randomBytes } from 'node:crypto';

export const OPCODE = { continuation: 0, text: 1, close: 8, ping: 9, pong: 10 } as const;

export interface Message {
  opcode: number;
  payload: Buffer;
}

/** One whole message as a masked frame. */
export function frameOf(opcode: number, payload: Buffer): Buffer {
  const mask = randomBytes(4);
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (head.length === 2) head[1] = 0x80 | payload.length;
  else if (head.length === 4) {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(payload.length, 2);
  } else {
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  const masked = Buffer.from(payload);
  for (let at = 0; at < masked.length; at++) masked[at]! ^= mask[at % 4]!;
  return Buffer.concat([head, mask, masked]);
}

/** Puts messages together again, however they were cut. Throws where the peer does not keep to the RFC or the bound. */
export class FrameReader {
  readonly #maxBytes: number;
  /** Joined only once a frame is whole: a large one comes in thousands of chunks. */
  #chunks: Buffer[] = [];
  #bytes = 0;
  #wanted = 2;
  #parts: Buffer[] = [];
  #partsOpcode: number | null = null;

  /** `maxBytes` of one message. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  read(chunk: Buffer): Message[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const messages: Message[] = [];
    while (this.#bytes >= this.#wanted) {
      const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
      this.#chunks = [all];
      const frame = this.#frame(all);
      if (typeof frame === 'number') {
        this.#wanted = frame;
        continue;
      }
      this.#chunks = [all.subarray(frame.end)];
      this.#bytes -= frame.end;
      this.#wanted = 2;
      const message = this.#join(frame);
      if (message) messages.push(message);
    }
    return messages;
  }

  /** The first frame, or how many bytes it takes to know more of it. */
  #frame(bytes: Buffer): Frame | number {
    const [first, second] = [bytes[0]!, bytes[1]!];
    if (first & 0x70 || second & 0x80) throw new Error('a WebSocket frame of no known kind');
    const short = second & 0x7f;
    const head = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < head) return head;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    const before = this.#parts.reduce((sum, part) => sum + part.length, 0);
    if (before + length > this.#maxBytes) throw new Error(`a message of more than ${this.#maxBytes} bytes`);
    const end = head + length;
    if (bytes.length < end) return end;
    return { final: (first & 0x80) !== 0, opcode: first & 0x0f, payload: bytes.subarray(head, end), end };
  }

  #join({ final, opcode, payload }: Frame): Message | null {
    if (opcode >= OPCODE.close) return { opcode, payload }; // control frames come between the parts of a message
    if ((opcode === OPCODE.continuation) !== (this.#partsOpcode !== null)) throw new Error('WebSocket frames out of order');
    this.#partsOpcode ??= opcode;
    this.#parts.push(payload);
    if (!final) return null;
    const message = { opcode: this.#partsOpcode, payload: Buffer.concat(this.#parts) };
    this.#parts = [];
    this.#partsOpcode = null;
    return message;
  }
}

interface Frame extends Message {
  final: boolean;
  /** Where the next one begins. */
  end: number;
}
