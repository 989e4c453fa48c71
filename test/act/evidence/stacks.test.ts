import t from 'tap';
import { holderOf, sharedDepth, stackText, type Stack } from '../../../src/act/evidence/stacks.js';

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
