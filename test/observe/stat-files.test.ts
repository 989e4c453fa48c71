import { readFileSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import t, { type Test } from 'tap';
import { LinuxProcesses, parseProcStat } from '../../src/observe/linux.js';
import { KeptFiles, mostKept } from '../../src/observe/kept-files.js';
import { Sampler } from '../../src/observe/sampler.js';
import { StatFiles } from '../../src/observe/stat-files.js';
import { openFiles } from '../open-files.js';
import { endOf, run, until } from './support.js';

/** Pids whose stat files we hold open. */
const heldPids = (): number[] => openFiles().flatMap((name) => Number(/^\/proc\/(\d+)\/stat$/.exec(name)?.[1] ?? 0) || []);

const textOf = (bytes: Uint8Array | null): string | null => bytes && Buffer.from(bytes).toString('latin1');

function filesOf(t: Test) {
  const kept = new KeptFiles();
  const stats = new StatFiles(kept);
  const files = {
    read: (...args: Parameters<StatFiles['read']>) => stats.read(...args),
    keepOnly: (pids: ReadonlySet<number>) => kept.keepOnly(pids),
    close: () => kept.close(),
  };
  t.teardown(() => files.close());
  return files;
}

t.test('what is in the file, each time anew, by one descriptor', async (t) => {
  const files = filesOf(t);
  const child = run(t, 'sh', '-c', 'while :; do :; done');
  const cpuOf = (text: string | null) => parseProcStat(text ?? '')!.cpu;
  t.equal(parseProcStat(textOf(files.read(child.pid))!)!.pid, child.pid);
  t.strictSame(heldPids(), [], 'not kept where that is not asked for');
  const first = cpuOf(textOf(files.read(child.pid, { keep: true })));
  t.strictSame(heldPids(), [child.pid]);
  await until('time to pass', () => cpuOf(textOf(files.read(child.pid))) > first);
  t.strictSame(heldPids(), [child.pid]);
  const idle = run(t, 'sleep', '1000');
  await until('it to sleep', () => / \(sleep\) S /.test(textOf(files.read(idle.pid)) ?? ''));
  files.read(idle.pid, { keep: true });
  t.equal(textOf(files.read(idle.pid)), readFileSync(`/proc/${idle.pid}/stat`, 'latin1'));
  t.strictSame(heldPids().toSorted(), [child.pid, idle.pid].toSorted());
  files.keepOnly(new Set([idle.pid, 1]));
  t.strictSame(heldPids(), [idle.pid]);
  t.ok(files.read(child.pid), 'what is not kept can be read all the same');
  files.close();
  t.strictSame(heldPids(), []);
  t.ok(files.read(idle.pid));
});

t.test('the end of a process is the end of its descriptor', async (t) => {
  const files = filesOf(t);
  const child = run(t, 'sleep', '1000');
  files.read(child.pid, { keep: true });
  child.kill('SIGKILL');
  await endOf(child);
  t.strictSame(heldPids(), [child.pid], 'nobody has looked yet');
  t.equal(files.read(child.pid), null);
  t.strictSame(heldPids(), []);
  t.equal(files.read(2 ** 22 + 1, { keep: true }), null, 'beyond any pid');
  t.strictSame(heldPids(), []);
});

/** Another process with the pid of one that has gone; null where the kernel does not let us choose. */
async function reuse(t: Test, pid: number): Promise<number | null> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
    } catch {
      return null;
    }
    const child = spawn('/bin/sleep', ['1000'], { stdio: 'ignore' });
    if (child.pid === pid) {
      t.teardown(async () => {
        child.kill('SIGKILL');
        await endOf(child);
      });
      return pid;
    }
    child.kill('SIGKILL');
    await endOf(child);
  }
  return null;
}

t.test('a pid that is used again is never taken for the process before', async (t) => {
  const table = new LinuxProcesses();
  t.teardown(() => table.close());
  const sampler = new Sampler(table);
  const old = run(t, 'sh', '-c', 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec sleep 1000');
  const busy = await until('some time', async () => {
    const reading = (await sampler.sample([old.pid])).get(old.pid)!;
    return reading.root.cpuSeconds > 0.05 && reading;
  });
  t.ok(heldPids().includes(old.pid));
  old.kill('SIGKILL');
  await endOf(old);
  if ((await reuse(t, old.pid)) === null) return t.pass('could not run: it takes root to choose a pid', { skip: 'no pid to choose' });
  t.ok(heldPids().includes(old.pid), 'the descriptor is still that of the one before');
  const id = await table.identify(old.pid);
  t.ok(id && id.start > busy.root.start, 'another process by its start');
  const reading = (await sampler.sample([old.pid])).get(old.pid)!;
  t.strictSame([reading.root.start, reading.root.cpuSeconds], [id!.start, 0]);
  t.strictSame(await table.tree(busy.root), [], 'the one before has no tree any more');
  t.equal(heldPids().filter((pid) => pid === old.pid).length, 1);
});

t.test('after each look at all processes, descriptors of those that are there, one each', async (t) => {
  const table = new LinuxProcesses();
  t.teardown(() => table.close());
  const children = Array.from({ length: 20 }, () => run(t, 'sleep', '1000'));
  await Promise.all([table.snapshot(), table.snapshot(), table.snapshot()]);
  const held = heldPids();
  t.equal(new Set(held).size, held.length);
  for (const { pid } of children) t.ok(held.includes(pid));
  const gone = children.slice(0, 10);
  for (const child of gone) child.kill('SIGKILL');
  await Promise.all(gone.map(endOf));
  const all = await table.snapshot();
  const now = heldPids();
  t.strictSame(gone.filter(({ pid }) => now.includes(pid) || all.has(pid)), []);
  t.ok(children.slice(10).every(({ pid }) => now.includes(pid) && all.has(pid)));
  table.close();
  t.strictSame(heldPids(), []);
});

t.test('how many are kept', (t) => {
  const limits = (soft: string) =>
    `Limit                     Soft Limit           Hard Limit           Units     \nMax processes             100                  100                  processes \nMax open files            ${soft.padEnd(20)} 524288               files     \nMax locked memory         8388608              8388608              bytes     \n`;
  t.equal(mostKept(limits('1024')), 128);
  t.equal(mostKept(limits('20')), 2);
  t.equal(mostKept(limits('524288')), 4096);
  t.equal(mostKept(limits('unlimited')), 4096);
  t.equal(mostKept(''), 0, 'unknown: none');
  t.end();
});
