import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { SharedLooks } from '../../src/observe/shared-looks.js';

/** Looks that end when the test says so; each tells which it was. */
function looks() {
  const shared = new SharedLooks<string>();
  const begun: { end(): void; fail(error: Error): void }[] = [];
  const look = (key = 'a') =>
    shared.look(key, () => {
      const name = `${key}${begun.length}`;
      return new Promise((resolve, reject) => begun.push({ end: () => resolve(name), fail: reject }));
    });
  return { look, begun };
}

t.test('whoever asks at the same time shares one look', async (t) => {
  const { look, begun } = looks();
  const asked = Array.from({ length: 10_000 }, () => look());
  await turn();
  t.equal(begun.length, 1);
  begun[0]!.end();
  t.strictSame(new Set(await Promise.all(asked)), new Set(['a0']));
});

t.test('nobody joins a look that has begun: all who come meanwhile share the one behind it', async (t) => {
  const { look, begun } = looks();
  const first = look();
  await turn();
  const later = [look(), look()];
  await turn();
  later.push(look());
  t.equal(begun.length, 1, 'one under way');
  begun[0]!.end();
  t.equal(await first, 'a0');
  await turn();
  t.equal(begun.length, 2, 'and one behind it');
  const last = look();
  begun[1]!.end();
  t.strictSame(await Promise.all(later), ['a1', 'a1', 'a1']);
  await turn();
  begun[2]!.end();
  t.equal(await last, 'a2');
});

t.test('keys do not wait for each other', async (t) => {
  const { look, begun } = looks();
  const [a, b] = [look('a'), look('b')];
  await turn();
  begun[1]!.end();
  t.equal(await b, 'b1');
  begun[0]!.end();
  t.equal(await a, 'a0');
});

t.test('a look that fails is told to those who shared it, and to nobody else', async (t) => {
  const { look, begun } = looks();
  const both = [look(), look()];
  await turn();
  const next = look();
  begun[0]!.fail(new Error('EMFILE'));
  for (const one of both) await t.rejects(one, { message: 'EMFILE' });
  await turn();
  begun[1]!.end();
  t.equal(await next, 'a1');
});
