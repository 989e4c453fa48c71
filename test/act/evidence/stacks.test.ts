import t from 'tap';
import { framesToLocate, holderOf, sharedDepth, stackText, type Stack } from '../../../src/act/evidence/stacks.js';

const frame = (name: string, file = '/app/x.js', line = 1, types = {}) => ({ id: name, at: { name, file, line, column: 2 }, types });
/** Innermost first. */
const stack = (...names: string[]): Stack => names.map((name) => frame(name));

t.test('the loop is told from the moment', async (t) => {
  const looks = [stack('sqrt', 'step', 'spin', 'main'), stack('spin', 'main'), stack('step', 'spin', 'main')];
  t.equal(sharedDepth(looks), 2);
  t.equal(holderOf(looks)?.name, 'spin');
  t.equal(holderOf([stack('a', 'main'), stack('b', 'main')])?.name, 'main');
  t.equal(holderOf([stack('a'), stack('b')]), null, 'the loop turns');
  t.equal(holderOf([]), null);
  const library = [frame('parse', '/app/node_modules/p/i.js'), frame('read'), frame('emit', 'node:events')];
  t.equal(holderOf([library])?.name, 'read', "the app's own function, though a package's is inside it");
  t.equal(holderOf([library.slice(2)])?.name, 'emit', 'and what there is, where there is none');
});

const about = { app: 'shop', worker: '0', pid: 7, node: '24.1.0', frozenMs: 15_200, overMs: 1000, lack: null, threads: null };

t.test('stack.txt', async (t) => {
  const spin = (line: number) => frame('spin', '/app/spin.js', line, { secret: 'string', turns: 'number' });
  const stacks = [[frame('step'), spin(4), frame('main')], [spin(4), frame('main')], [spin(4), frame('main')]];
  const threads = [{ id: 7, name: 'node', state: 'R', cpuMs: 990, overMs: 1000 }, { id: 8, name: 'libuv', state: 'S', cpuMs: 0, overMs: 1000 }];
  t.equal(stackText({ ...about, stacks, threads }), `What shop/0 did (process 7, Node.js 24.1.0), whose event loop had not turned for 15 s.

By 3 looks within 1.0 s at its JavaScript stack. In all of them: spin.

2 of 3 (what stood in all of them is marked *):
  * at spin (/app/spin.js:4:2)
        secret: string, turns: number
  * at main (/app/x.js:1:2)

1 of 3 (what stood in all of them is marked *):
    at step (/app/x.js:1:2)
  * at spin (/app/spin.js:4:2)
        secret: string, turns: number
  * at main (/app/x.js:1:2)

Its threads, as the kernel has them; the first is the one of the event loop:
         7  node              running             99% of a CPU
         8  libuv             sleeping            0% of a CPU
`);
  const none = stackText({ ...about, stacks: [], lack: 'Its JavaScript stack could not be had.' });
  t.match(none, /for 15 s\.\n\nIts JavaScript stack could not be had\.\n\nThe system does not tell what its threads did\.\n$/);
});

t.test('of a deep stack the innermost frames are shown, and the one that holds the loop', async (t) => {
  const times = (count: number, name: string): string[] => Array.from({ length: count }, () => name);
  const looks = [
    stack(...times(58, 'walk'), 'handler', ...times(12, 'main')),
    stack(...times(58, 'parse'), 'read', 'handler', ...times(12, 'main')),
  ];
  t.equal(holderOf(looks)?.name, 'handler');
  const text = stackText({ ...about, stacks: looks });
  t.match(text, 'In all of them: handler.');
  const handler = '  * at handler (/app/x.js:1:2)\n    (12 frames left out)\n';
  t.match(text, `${'    at walk (/app/x.js:1:2)\n'.repeat(50)}    (8 frames left out)\n${handler}`);
  t.match(text, `${'    at parse (/app/x.js:1:2)\n'.repeat(50)}    (9 frames left out)\n${handler}`);
  const one = stackText({ ...about, stacks: [stack(...times(51, 'walk'))] });
  t.match(one, 'at walk (/app/x.js:1:2)\n    (1 frame left out)\n\n');
  const strange = stackText({ ...about, stacks: [stack(...times(60, 'a')), stack(...times(60, 'b'))] });
  t.match(strange, 'at b (/app/x.js:1:2)\n    (10 frames left out)\n\n');
});

t.test('a recursion ten thousand frames deep in a package, by a function of the app', async (t) => {
  const clone = frame('clone', '/app/node_modules/c/i.js');
  const outer = [frame('answer'), frame('emit', 'node:events')];
  const looks = [10_000, 9990, 9995].map((depth) => {
    return [frame(`in${depth}`), ...Array<typeof clone>(depth).fill(clone), ...outer];
  });
  const startedAt = performance.now();
  const located = [...framesToLocate(looks)].map(({ id }) => id);
  t.strictSame(located, ['in10000', 'clone', 'answer', 'emit', 'in9990', 'in9995']);
  t.equal(holderOf(looks)?.name, 'answer');
  const text = stackText({ ...about, stacks: looks });
  t.match(text, '  * at answer (/app/x.js:1:2)\n    (1 frame left out)\n');
  t.ok(text.split('\n').length < 200);
  t.ok(performance.now() - startedAt < 1000);
});
