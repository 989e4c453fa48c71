import t from 'tap';
import { LineReader } from '../../src/agent/lines.cjs';

const text = 'one\nzwei €\n\nthree';
const bytes = Buffer.from(`${text}\n`);

for (const size of [1, 2, 7, bytes.length]) {
  const reader = new LineReader(16);
  const lines: string[] = [];
  for (let i = 0; i < bytes.length; i += size) lines.push(...reader.push(bytes.subarray(i, i + size))!);
  t.same(lines, text.split('\n'), `in chunks of ${size}`);
}

const exact = new LineReader(4);
t.same(exact.push(Buffer.from('1234\n1')), ['1234']);
t.same(exact.push(Buffer.from('234')), [], 'at the bound');
t.equal(exact.push(Buffer.from('5')), null, 'over it, without waiting for the end of the line');
t.equal(new LineReader(4).push(Buffer.from('12345\n')), null);
