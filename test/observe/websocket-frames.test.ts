import t from 'tap';
import { FrameReader, OPCODE, frameOf } from '../../src/observe/websocket-frames.js';

/** A server's frame: as ours, without the mask. */
function unmasked(first: number, payload: Buffer): Buffer {
  const head = payload.length < 126 ? Buffer.from([first, payload.length]) : Buffer.alloc(payload.length < 65_536 ? 4 : 10);
  if (head.length > 2) head.set([first, head.length === 4 ? 126 : 127]);
  if (head.length === 4) head.writeUInt16BE(payload.length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(payload.length), 2);
  return Buffer.concat([head, payload]);
}

t.test('frames of every size, however they are cut', async (t) => {
  for (const bytes of [0, 1, 125, 126, 65_535, 65_536, 200_000]) {
    const payload = Buffer.alloc(bytes, 'heapwarden');
    const stream = Buffer.concat([unmasked(0x81, payload), unmasked(0x81, Buffer.from('next'))]);
    for (const step of [1, 7, 65_537, stream.length].filter((size) => stream.length / size < 5000)) {
      const reader = new FrameReader(1e6);
      const messages = [];
      for (let at = 0; at < stream.length; at += step) messages.push(...reader.read(stream.subarray(at, at + step)));
      t.strictSame(messages.map((message) => message.opcode), [OPCODE.text, OPCODE.text]);
      t.ok(messages[0]!.payload.equals(payload), `${bytes} bytes in steps of ${step}`);
    }
  }
});

t.test('a message in parts, with a ping between them', async (t) => {
  const stream = [unmasked(0x01, Buffer.from('a')), unmasked(0x89, Buffer.from('p')), unmasked(0x80, Buffer.from('b'))];
  const messages = new FrameReader(10).read(Buffer.concat(stream));
  t.strictSame(messages.map(({ opcode, payload }) => `${opcode} ${payload.toString()}`), ['9 p', '1 ab']);
});

t.test('what is too large or out of order', async (t) => {
  t.throws(() => new FrameReader(10).read(unmasked(0x81, Buffer.alloc(11))), { message: 'a message of more than 10 bytes' });
  const parts = Buffer.concat([unmasked(0x01, Buffer.alloc(6)), unmasked(0x80, Buffer.alloc(6))]);
  t.throws(() => new FrameReader(10).read(parts), { message: 'a message of more than 10 bytes' }, 'in all its parts');
  t.throws(() => new FrameReader(10).read(unmasked(0x80, Buffer.from('b'))), { message: /out of order/ });
  t.throws(() => new FrameReader(10).read(frameOf(OPCODE.text, Buffer.from('masked'))), { message: /no known kind/ });
});

t.test('our own: masked, and the same again without the mask', async (t) => {
  for (const bytes of [3, 200, 70_000]) {
    const payload = Buffer.alloc(bytes, 'xyz');
    const frame = frameOf(OPCODE.text, payload);
    const head = frame.length - bytes;
    t.equal(frame[1]! & 0x80, 0x80);
    const mask = frame.subarray(head - 4, head);
    t.ok(frame.subarray(head).map((byte, at) => byte ^ mask[at % 4]!).every((byte, at) => byte === payload[at]));
  }
});
