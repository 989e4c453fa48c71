import { once } from 'node:events';
import { mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { isAnotherRelease, releaseOf, releaseReader } from '../../src/observe/release.js';
import { workerOf } from '../decide/support.js';
import { spawnPlain } from '../integration/plain-node.js';

const APP = { 'app.cjs': "setInterval(() => {}, 1000); console.log('up');" };

/** `node app.cjs WORDS` in a folder of its own; its pid. */
async function running(t: Test, dir: string, words: string[] = []): Promise<number> {
  const app = spawnPlain(['app.cjs', ...words], { cwd: dir });
  t.teardown(() => app.kill('SIGKILL'));
  await once(app.stdout, 'data');
  return app.pid!;
}

function folderOf(t: Test): string {
  return t.testdir({ ...APP, 'package.json': '{}', data: {}, 'db.json': '[]' });
}

/** Of one whose root is the first pid, and whose agent is in the second. */
async function releaseIn(root: number, agent: number | null = null): Promise<string> {
  const made = workerOf({ pid: root, ...(agent === null ? { stats: null } : {}) });
  return (await releaseOf({ ...made, agent: made.agent && { ...made.agent, pid: agent! } }))!;
}

t.test('a program, the package and the build make a release', async (t) => {
  const dir = folderOf(t);
  const pid = await running(t, dir);
  const was = await releaseIn(pid);
  t.equal(isAnotherRelease(was, await releaseIn(pid)), false);
  mkdirSync(join(dir, '.next'));
  for (const file of ['app.cjs', 'package.json', '.next/BUILD_ID']) {
    const before = await releaseIn(pid);
    writeFileSync(join(dir, file), `// of another release: ${file}`);
    t.ok(isAnotherRelease(before, await releaseIn(pid)), file);
  }
});

t.test('what the app writes is none', async (t) => {
  const dir = folderOf(t);
  const pid = await running(t, dir, ['./data', 'db.json', '.']);
  const was = await releaseIn(pid);
  writeFileSync(join(dir, 'data', 'more'), 'more');
  writeFileSync(join(dir, 'db.json'), '[1, 2]');
  for (const path of ['data', '.']) utimesSync(join(dir, path), 1, 1);
  t.equal(isAnotherRelease(was, await releaseIn(pid)), false);
});

t.test('a link to another folder is one', async (t) => {
  const dir = t.testdir({ one: { 'app.cjs': '' }, two: { 'app.cjs': '' }, app: APP });
  symlinkSync('one', join(dir, 'current'));
  const pid = await running(t, join(dir, 'app'), ['../current']);
  const was = await releaseIn(pid);
  symlinkSync('two', join(dir, 'next'));
  renameSync(join(dir, 'next'), join(dir, 'current'));
  t.ok(isAnotherRelease(was, await releaseIn(pid)));
});

t.test('another command line is one', async (t) => {
  const dir = folderOf(t);
  const [one, same, other] = await Promise.all([running(t, dir), running(t, dir), running(t, dir, ['--fast'])]);
  t.equal(isAnotherRelease(await releaseIn(one), await releaseIn(same)), false);
  t.ok(isAnotherRelease(await releaseIn(one), await releaseIn(other)));
});

t.test('an agent that is not there yet, or speaks out of another process, is none', async (t) => {
  const folders = t.testdir({ outer: { ...APP }, inner: { ...APP } });
  const [dir, inner] = [join(folders, 'outer'), join(folders, 'inner')];
  const root = await running(t, dir);
  const [first, second] = [await running(t, inner), await running(t, inner, ['worker'])];
  const was = await releaseIn(root, first);
  for (const agent of [null, root, second]) {
    const is = await releaseIn(root, agent);
    t.equal(isAnotherRelease(was, is), false);
    t.equal(isAnotherRelease(is, was), false);
  }
  writeFileSync(join(inner, 'app.cjs'), '// of another release');
  t.ok(isAnotherRelease(was, await releaseIn(root, first)), 'but what it runs is part of it');
});

t.test('of a process that is not there nothing is known', async (t) => {
  t.equal(await releaseOf(workerOf({ pid: null })), null);
  t.equal(await releaseOf(workerOf({ pid: 2 ** 22 + 1 })), null);
});

t.test('a look at what a worker runs that does not end holds nobody up, and none is begun beside it', async (t) => {
  let [looks, end, pass] = [0, (_release: string): void => {}, (): void => {}];
  const clock = { sleep: () => new Promise<void>((resolve) => (pass = resolve)) };
  const look = () => ((looks += 1), new Promise<string>((resolve) => (end = resolve)));
  const read = releaseReader(clock, look);
  const first = read(workerOf());
  pass();
  t.equal(await first, null);
  t.equal(await read(workerOf()), null);
  t.equal(looks, 1);
  end('late');
  await sleep(1);
  const second = read(workerOf());
  end('known');
  t.equal(await second, 'known');
  t.equal(await releaseReader(clock)(workerOf({ pid: 2 ** 22 + 1 })), null, 'there is no such process');
});
