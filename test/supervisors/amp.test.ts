import t from 'tap';
import { AmpDecoder, encodeAmp } from '../../src/supervisors/pm2-amp.js';

const texts = (messages: Buffer[][]) => messages.map((args) => args.map(String));

t.test('a message is a byte of version and count, then each argument behind its length', async (t) => {
  const message = encodeAmp([Buffer.from('hi'), Buffer.alloc(0)]);
  t.equal(message.toString('hex'), '12 00000002 6869 00000000'.replaceAll(' ', ''));
  t.equal(encodeAmp([]).toString('hex'), '10');
  t.throws(() => encodeAmp(Array.from({ length: 16 }, () => Buffer.alloc(0))), /at most 15 arguments, not 16/);
});

t.test('messages come out whole however the stream is cut', async (t) => {
  const most = Array.from({ length: 15 }, (_, i) => `argument ${i}`);
  const sent = [['one', ''], [], ['', '', ''], ['x'.repeat(5000), 'é'], most];
  const stream = Buffer.concat(sent.map((args) => encodeAmp(args.map((arg) => Buffer.from(arg)))));

  for (const size of [1, 2, 3, 7, 4096, stream.length]) {
    const decoder = new AmpDecoder();
    const got: Buffer[][] = [];
    for (let at = 0; at < stream.length; at += size) got.push(...decoder.push(stream.subarray(at, at + size)));
    t.strictSame(texts(got), sent, `in chunks of ${size} bytes`);
  }

  let seed = 1; // a fixed sequence, so that a failure comes back (Numerical Recipes' generator)
  const random = () => (seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
  for (let round = 0; round < 200; round++) {
    const decoder = new AmpDecoder();
    const got: Buffer[][] = [];
    for (let at = 0; at < stream.length; ) {
      const size = Math.floor(random() ** 4 * stream.length); // mostly small, sometimes empty
      got.push(...decoder.push(stream.subarray(at, at + size)));
      at += size;
    }
    t.strictSame(texts(got), sent, `round ${round}`);
  }
});

t.test('a message that ends in an empty argument does not wait for the next one', async (t) => {
  t.strictSame(texts(new AmpDecoder().push(encodeAmp([Buffer.from('a'), Buffer.alloc(0)]))), [['a', '']]);
});

t.test('a message too large is refused by its lengths alone', async (t) => {
  const decoder = new AmpDecoder(10);
  t.strictSame(texts(decoder.push(encodeAmp([Buffer.alloc(4, 'a'), Buffer.alloc(6, 'b')]))), [['aaaa', 'bbbbbb']]);
  const tooLarge = Buffer.from('12 00000006 616161616161 00000005'.replaceAll(' ', ''), 'hex');
  t.throws(() => decoder.push(tooLarge), /larger than 10 bytes/);
  t.throws(() => new AmpDecoder().push(Buffer.from('11ffffffff', 'hex')), /larger than 67108864 bytes/);
});

t.test('what is not AMP is refused at its first byte', async (t) => {
  t.throws(() => new AmpDecoder().push(Buffer.from('HTTP/1.1 400 Bad Request\r\n')), /not in the AMP format/);
});
