import t from 'tap';
import { childrenByParent, sameProcess, treeOf, withDescendants } from '../../src/observe/identity.js';

const process = (pid: number, parent: number, start = pid) => ({ pid, parent, start });
const table = (...all: ReturnType<typeof process>[]) => new Map(all.map((one) => [one.pid, one]));
const pids = (all: { pid: number }[]) => all.map(({ pid }) => pid);

t.test('a process is its pid and its start', (t) => {
  t.ok(sameProcess({ pid: 1, start: 5 }, { pid: 1, start: 5 }));
  t.notOk(sameProcess({ pid: 1, start: 5 }, { pid: 1, start: 6 }));
  t.notOk(sameProcess({ pid: 1, start: 5 }, { pid: 2, start: 5 }));
  t.notOk(sameProcess(null, { pid: 1, start: 5 }));
  t.notOk(sameProcess(null, null), 'nobody is not the same as nobody');
  t.notOk(sameProcess(undefined, undefined));
  t.end();
});

t.test('a tree has the root first, then all descendants, and nobody else', (t) => {
  const all = table(process(1, 0), process(10, 1), process(11, 10), process(12, 10), process(13, 12), process(20, 1));
  t.strictSame(pids(treeOf({ pid: 10, start: 10 }, all)), [10, 11, 12, 13]);
  t.strictSame(pids(treeOf({ pid: 20, start: 20 }, all)), [20]);
  t.strictSame(treeOf({ pid: 10, start: 9 }, all), [], 'another process has the pid by now');
  t.strictSame(treeOf({ pid: 99, start: 99 }, all), []);
  t.end();
});

t.test('a circle of parents, as a reused pid can make one, ends', (t) => {
  const all = table(process(10, 12), process(11, 10), process(12, 11), process(0, 0));
  t.strictSame(pids(withDescendants(all.get(10)!, childrenByParent(all))), [10, 11, 12]);
  t.strictSame(pids(treeOf({ pid: 0, start: 0 }, all)), [0], "macOS' kernel_task is its own parent");
  t.end();
});
