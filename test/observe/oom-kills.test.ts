import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { KernelLog, victimOf } from '../../src/observe/kernel-log.js';
import { OomKills } from '../../src/observe/oom-kills.js';
import { cannotRun } from '../parts/index.js';
import { needMemoryCgroup } from '../parts/memory-cgroup.js';

t.test('whom a line of the kernel names', async (t) => {
  const line = (message: string) => victimOf(`3,1234,24957660708,-;${message}\n SUBSYSTEM=x\n`);
  // 6.18, as recorded here; the last two as kernels before 5.3 have them
  t.equal(line('Memory cgroup out of memory: Killed process 14151 (node) total-vm:1068140kB, anon-rss:81008kB, UID:0'), 14151);
  t.equal(line('Out of memory: Killed process 7 (node) total-vm:1kB'), 7);
  t.equal(line('Out of memory (oom_kill_allocating_task): Killed process 8 (node) total-vm:1kB'), 8);
  t.equal(line('Killed process 9 (node) total-vm:1kB, anon-rss:1kB'), 9);
  t.equal(line('Killed process 10, UID 33, (node) total-vm:1kB'), 10);
  t.equal(line('oom_reaper: reaped process 14151 (node), now anon-rss:0kB'), null);
  t.equal(line('Memory cgroup out of memory: OOM victim 5 (node) is already exiting. Skip killing the task'), null);
  t.equal(line('node[5288]: segfault at a0: Killed process 5 (node)'), null);
});

/** Two cgroups of version 2 and one of version 1, with their processes; `set` writes a count. */
function machine(t: Test) {
  const dir = t.testdir({
    proc: { 1: { cgroup: '0::/a\n' }, 2: { cgroup: '0::/a\n' }, 3: { cgroup: '0::/b\n' }, 4: { cgroup: '4:memory:/c\n0::/\n' }, 5: { cgroup: '0::/\n' } },
    sys: { fs: { cgroup: {
      a: { 'memory.events.local': 'low 0\noom 0\noom_kill 3\noom_group_kill 0\n', 'memory.events': 'oom_kill 9\n' },
      b: { 'memory.events': 'oom 0\noom_kill 0\n' },
      memory: { c: { 'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 5\n' } },
    } } },
  });
  const cgroup = (name: string) => join(dir, 'sys/fs/cgroup', name);
  const set = (name: string, file: string, count: number) => writeFileSync(join(cgroup(name), file), `oom 1\noom_kill ${count}\n`);
  return { dir, cgroup, set };
}

const ALL = [1, 2, 3, 4, 5];

t.test('without the log: a count that rises explains one death', async (t) => {
  const { dir, cgroup, set } = machine(t);
  const kills = new OomKills({ victims: () => null }, dir);
  await kills.look(ALL);
  for (const pid of ALL) t.equal(await kills.of([pid]), null, `${pid}: nothing has risen`);
  set('a', 'memory.events.local', 4);
  t.strictSame(await kills.of([1]), { pid: null, cgroup: cgroup('a') });
  t.equal(await kills.of([2]), null, 'the other one in it was killed by somebody else');
  set('b', 'memory.events', 1);
  t.strictSame(await kills.of([3, 33]), { pid: null, cgroup: cgroup('b') });
  set('memory/c', 'memory.oom_control', 7);
  t.strictSame(await kills.of([4]), { pid: null, cgroup: cgroup('memory/c') });
  t.equal(await kills.of([5]), null, 'the root of version 2 counts nothing');
  t.equal(await kills.of([99]), null, 'one that was never looked at');
});

t.test('a death that is told one look late, and none that is told twice', async (t) => {
  const { dir, cgroup, set } = machine(t);
  const kills = new OomKills({ victims: () => null }, dir);
  await kills.look(ALL);
  set('a', 'memory.events.local', 4);
  await kills.look([2, 3]);
  t.strictSame(await kills.of([1]), { pid: null, cgroup: cgroup('a') });
  await kills.look([2, 3]);
  t.equal(await kills.of([2]), null, 'it has explained the other');
  await kills.look([3]);
  await kills.look([3]);
  t.equal(await kills.of([1]), null, 'what was long ago is not looked for');
});

t.test('a process that is put into another cgroup is found there after some looks', async (t) => {
  const { dir, cgroup, set } = machine(t);
  const kills = new OomKills({ victims: () => null }, dir);
  await kills.look(ALL);
  for (const pid of [1, 5]) writeFileSync(join(dir, `proc/${pid}/cgroup`), '0::/b\n');
  for (let i = 0; i < 60; i++) await kills.look(ALL);
  set('b', 'memory.events', 2);
  t.strictSame(await kills.of([1]), { pid: null, cgroup: cgroup('b') });
  t.strictSame(await kills.of([5]), { pid: null, cgroup: cgroup('b') }, 'nothing had counted it before');
});

t.test('a process that nothing has counted is looked for sooner', async (t) => {
  const { dir, cgroup, set } = machine(t);
  const kills = new OomKills({ victims: () => null }, dir);
  await kills.look(ALL);
  writeFileSync(join(dir, 'proc/5/cgroup'), '0::/b\n'); // as where it could not be read at first
  for (let i = 0; i < 12; i++) await kills.look(ALL);
  set('b', 'memory.events', 2);
  t.strictSame(await kills.of([5]), { pid: null, cgroup: cgroup('b') });
});

t.test('with the log: it names the one, and clears the others', async (t) => {
  const { dir, cgroup, set } = machine(t);
  const log: number[] = [];
  const kills = new OomKills({ victims: () => log.splice(0) }, dir);
  await kills.look(ALL);
  log.push(22);
  set('a', 'memory.events.local', 4);
  t.equal(await kills.of([1]), null, 'it was 22 who was killed');
  t.strictSame(await kills.of([2, 22]), { pid: 22, cgroup: cgroup('a') }, 'a child of 2, whose shell says 137');
  log.push(3);
  await kills.look([4, 5]);
  t.strictSame(await kills.of([3]), { pid: 3, cgroup: null }, 'told one look late');
  await kills.look([4, 5]);
  await kills.look([4, 5]);
  t.equal(await kills.of([3]), null, 'another with the pid, much later');
  set('memory/c', 'memory.oom_control', 6);
  t.strictSame(await kills.of([4]), { pid: null, cgroup: cgroup('memory/c') }, 'the log has lost it, the count has not');
});

t.test("this machine's log: at first nothing, where it may be read at all", async (t) => {
  const log = new KernelLog();
  t.teardown(() => log.close());
  const first = log.victims();
  t.ok(first === null || first.length === 0, JSON.stringify(first));
  log.close();
  t.equal(log.victims(), null);
  t.equal(new KernelLog(join(t.testdir({}), 'none')).victims(), null);
});

t.test('a real kill, by the count alone and by the log alone', async (t) => {
  const cgroup = await needMemoryCgroup(t, 80e6);
  if (!cgroup) return;
  const log = new KernelLog();
  t.teardown(() => log.close());
  const hungry = 'process.stdin.once("data", () => { const kept = []; for (;;) kept.push(Buffer.alloc(1e6, 1)); })';
  const child = spawn(process.execPath, ['-e', hungry], { stdio: ['pipe', 'ignore', 'ignore'] });
  t.teardown(() => void child.kill('SIGKILL'));
  writeFileSync(join(cgroup, 'cgroup.procs'), String(child.pid));
  const byCount = new OomKills({ victims: () => null });
  const byLog = new OomKills(log, t.testdir({}));
  await Promise.all([byCount.look([child.pid!]), byLog.look([child.pid!])]);
  t.equal(await byCount.of([child.pid!]), null);
  const ended = once(child, 'exit');
  child.stdin.write('now');
  t.strictSame(await ended, [null, 'SIGKILL']);
  t.strictSame(await byCount.of([child.pid!]), { pid: null, cgroup });
  const named = await byLog.of([child.pid!]);
  if (log.victims() === null) cannotRun(t, "the kernel's log may not be read here");
  else t.strictSame(named, { pid: child.pid, cgroup: null });
});
