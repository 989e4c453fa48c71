/** The end of what a process writes, in whatever pieces it comes. */
import t from 'tap';
import { OutputTail, TAIL_BYTES } from '../../src/supervisors/output-tail.js';

function tailOf(...chunks: string[]): string {
  const tail = new OutputTail();
  for (const chunk of chunks) tail.push(Buffer.from(chunk));
  return tail.text();
}

t.test('little is kept whole', async (t) => {
  t.equal(tailOf(), '');
  t.equal(tailOf('one\n', 'two', ' and three\n'), 'one\ntwo and three\n');
});

t.test('much is kept to its end, without the line that it begins in the middle of', async (t) => {
  const line = `${'x'.repeat(99)}\n`;
  const whole = line.repeat(Math.floor(TAIL_BYTES / line.length));
  t.equal(tailOf(line.repeat(1000)), whole, 'at once');
  t.equal(tailOf(...Array.from({ length: 1000 }, () => line)), whole, 'line by line');
  t.equal(tailOf(line.repeat(164), line.repeat(1), 'end\n'), `${line.repeat(163)}end\n`, 'little after much');
});

t.test('chunks as large as what is kept, and larger', async (t) => {
  for (const size of [TAIL_BYTES - 1, TAIL_BYTES, TAIL_BYTES + 1, 4 * TAIL_BYTES]) {
    const chunk = `\n${'x'.repeat(size - 1)}`;
    t.ok(tailOf(chunk, chunk, chunk).length <= TAIL_BYTES, `${size} bytes, three times`);
    t.match(tailOf('begin\n', chunk, 'end'), /^x+end$/);
  }
});
