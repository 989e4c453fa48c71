import { spawn } from 'node:child_process';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import type { ProcessId } from '../../src/supervisors/contract.js';
import { stopTree } from '../../src/supervisors/stop.js';
import { isAlive, mustIdentify, plainNode, processes, until } from '../observe/support.js';
import { CHILD_APP, childOf, hasFinished, reportFolder, reportOf, runningIn } from './child-support.js';

/** An app in a group of its own, which has reported. */
async function app(t: Test, env: Record<string, string>): Promise<{ id: ProcessId; folder: string }> {
  const folder = await reportFolder(t);
  const [program, ...args] = plainNode(CHILD_APP);
  const child = spawn(program, args, {
    env: { ...process.env, REPORT_DIR: folder, ...env },
    stdio: 'ignore',
    detached: true,
  });
  const id = await mustIdentify(child.pid!);
  await reportOf(folder, id.pid);
  return { id, folder };
}

const stop = (id: ProcessId, stopTimeoutMs: number, ownsGroup = true) =>
  stopTree(id, { processes, clock: systemClock, stopTimeoutMs, ownsGroup });

async function timed<T>(act: Promise<T>): Promise<[T, number]> {
  const begun = performance.now();
  return [await act, performance.now() - begun];
}

t.test('a process that ends by itself', async (t) => {
  const { id, folder } = await app(t, { HOW: 'graceful' });
  const [outcome, took] = await timed(stop(id, 20_000));
  t.equal(outcome, 'exited');
  t.notOk(await isAlive(id));
  t.ok(hasFinished(folder, id.pid), 'it had the time for its last work');
  t.ok(took >= 300 && took < 10_000, `${took} ms`);
  t.equal(await stop(id, 20_000), 'gone', 'once more');
});

t.test('a process that does not', async (t) => {
  const { id } = await app(t, { HOW: 'stubborn' });
  const [outcome, took] = await timed(stop(id, 400));
  t.equal(outcome, 'killed');
  t.notOk(await isAlive(id));
  t.ok(took >= 400 && took < 4000, `${took} ms`);
});

t.test('no time at all', async (t) => {
  const { id } = await app(t, { HOW: 'stubborn' });
  t.equal(await stop(id, 0), 'killed');
  t.notOk(await isAlive(id));
});

t.test('another process with that pid is left alone', async (t) => {
  const { id } = await app(t, {});
  t.equal(await stop({ ...id, start: id.start - 1 }, 1000), 'gone');
  t.equal(await stop({ ...id, start: id.start + 1 }, 1000), 'gone');
  t.ok(await isAlive(id));
});

t.test('a wrapper that passes the signal on: its child is told once', async (t) => {
  const { id, folder } = await app(t, { HOW: 'forwards', CHILD_HOW: 'graceful' });
  const child = await childOf(folder, id.pid);
  t.equal(await stop(id, 20_000), 'exited');
  t.ok(hasFinished(folder, child.pid), 'told twice, it would have broken off its last work');
  t.strictSame(await runningIn(folder), []);
});

t.test('a wrapper that just ends: its child is told', async (t) => {
  const { id, folder } = await app(t, { HOW: 'wrapper', CHILD_HOW: 'graceful' });
  const child = await childOf(folder, id.pid);
  t.equal(await stop(id, 20_000), 'exited');
  t.ok(hasFinished(folder, child.pid));
  t.strictSame(await runningIn(folder), []);
});

t.test('a wrapper that neither ends nor passes the signal on: its child is told after half of the time', async (t) => {
  const { id, folder } = await app(t, { HOW: 'ignores', CHILD_HOW: 'graceful' });
  const child = await childOf(folder, id.pid);
  const [outcome, took] = await timed(stop(id, 6000));
  t.equal(outcome, 'killed');
  t.ok(took >= 6000, `${took} ms`);
  t.ok(hasFinished(folder, child.pid));
  t.strictSame(await runningIn(folder), []);
});

t.test('a child that does not end', async (t) => {
  const { id, folder } = await app(t, { HOW: 'wrapper', CHILD_HOW: 'stubborn' });
  await childOf(folder, id.pid);
  t.equal(await stop(id, 500), 'killed', 'though the process itself did end');
  t.strictSame(await runningIn(folder), [], 'and its child is gone, too');
});

t.test('a child in a session of its own', async (t) => {
  for (const how of ['plain', 'stubborn']) {
    const { id, folder } = await app(t, { HOW: 'detaches', CHILD_HOW: how });
    await childOf(folder, id.pid);
    t.equal(await stop(id, how === 'plain' ? 20_000 : 500), how === 'plain' ? 'exited' : 'killed');
    t.strictSame(await runningIn(folder), [], how);
  }
});

t.test('a process of the group that has left the tree', async (t) => {
  const folder = await reportFolder(t);
  const leader = spawn('sh', ['-c', '(sleep 1001 &); exec sleep 1002'], {
    env: { ...process.env, REPORT_DIR: folder },
    stdio: 'ignore',
    detached: true,
  });
  await until('both', async () => (await runningIn(folder)).length === 2);
  const id = await mustIdentify(leader.pid!);
  await until('the tree to lose it', async () => (await processes.tree(id)).length === 1);
  t.equal(await stop(id, 2000), 'exited');
  t.strictSame(await runningIn(folder), []);
});

t.test('unless the group is not its own', async (t) => {
  const folder = await reportFolder(t);
  const leader = spawn('sh', ['-c', 'sleep 1001 & exec sleep 1002'], {
    env: { ...process.env, REPORT_DIR: folder },
    stdio: 'ignore',
    detached: true,
  });
  const all = await until('both', async () => {
    const found = await runningIn(folder);
    return found.length === 2 && found;
  });
  const member = all.find(({ pid }) => pid !== leader.pid)!;
  t.equal(await stop(member, 2000, false), 'exited');
  t.strictSame((await runningIn(folder)).map(({ pid }) => pid), [leader.pid], 'its leader lives');
});

t.test('a clock that jumps changes nothing', async (t) => {
  const { id, folder } = await app(t, { HOW: 'graceful' });
  let jumpMs = 0;
  const clock = { ...systemClock, now: () => Date.now() + (jumpMs += 3_600_000) };
  t.equal(await stopTree(id, { processes, clock, stopTimeoutMs: 20_000, ownsGroup: true }), 'exited');
  t.ok(hasFinished(folder, id.pid));
});

t.test('a table that cannot be read signals nobody', async (t) => {
  const { id } = await app(t, {});
  const broken = {
    identify: () => Promise.reject(new Error('EMFILE')),
    tree: async () => [id],
  };
  const options = { processes: broken, clock: systemClock, stopTimeoutMs: 100, ownsGroup: true };
  await t.rejects(stopTree(id, options), /EMFILE/);
  t.ok(await isAlive(id));
});
