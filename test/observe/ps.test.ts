import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { PsProcesses, parsePs } from '../../src/observe/ps.js';
import { endOf, processes, run, said, until } from './support.js';

const utc = (text: string) => Date.parse(`${text}Z`);
const facts = (pid: number, parent: number, startedAtMs: number) => {
  return { pid, parent, start: startedAtMs / 1000, startedAtMs, threads: null, usage: null };
};

t.test('as macOS prints it', (t) => {
  const output = [
    '    1     0 Ss   Mon Jan  6 09:12:01 2025    ',
    '  345     1 S+   Sat Nov 21 00:12:12 2026    ',
    '  400   345 Z    Sat Nov 21 00:12:13 2026    ',
    '99999   345 R+   Sun Mar 29 02:30:00 2026    ',
    '',
  ].join('\n');
  t.strictSame(parsePs(output), [
    facts(1, 0, utc('2025-01-06T09:12:01')),
    facts(345, 1, utc('2026-11-21T00:12:12')),
    facts(99999, 345, utc('2026-03-29T02:30:00')), // half past two does not exist on that day where summer time begins
  ]);
  t.end();
});

t.test('as procps on Linux prints it', (t) => {
  const output = [
    '      1       0 S Fri Nov 20 23:59:22 2026',
    '      2       0 S Fri Nov 20 23:59:22 2026',
    '  11233   10981 Z Sat Nov 21 00:36:09 2026',
    '4194304   10981 D Sat Nov 21 00:36:09 2026',
  ].join('\n');
  t.strictSame(parsePs(output).map(({ pid }) => pid), [1, 2, 4194304]);
  t.end();
});

t.test('what is no process is passed over', (t) => {
  for (const line of ['', '  PID  PPID S STARTED', '1 0 S', '1 0 S sometime', 'a b S Sat Nov 21 00:12:12 2026']) {
    t.strictSame(parsePs(line), [], line);
  }
  t.end();
});

t.test('the ps of this machine against /proc', async (t) => {
  const parent = run(t, 'sh', '-c', 'sleep 0 & echo $!; sleep 1000 & exec sleep 1001');
  const zombie = Number(await said(parent));
  const ps = new PsProcesses();
  await until('the zombie', async () => (await processes.identify(zombie)) === null);
  await sleep(20);
  const [byPs, byProc] = [await ps.snapshot(), await processes.snapshot()];
  for (const pid of [process.pid, process.ppid, parent.pid]) {
    const [one, other] = [byPs.get(pid)!, byProc.get(pid)!];
    t.equal(one.parent, other.parent);
    t.ok(Math.abs(one.startedAtMs - other.startedAtMs) < 2500, `${one.startedAtMs - other.startedAtMs} ms apart`);
  }
  t.notOk(byPs.has(zombie), 'no zombies');
  const missing = [...byProc.keys()].filter((pid) => !byPs.has(pid));
  const stillThere = [...(await processes.snapshot()).keys()].filter((pid) => missing.includes(pid));
  const forGood = [...(await ps.snapshot()).keys()];
  t.strictSame(stillThere.filter((pid) => !forGood.includes(pid)), [], 'nobody is missed');
});

t.test('one process, its tree, and its end', async (t) => {
  const ps = new PsProcesses();
  const child = run(t, 'sh', '-c', 'sleep 1000 & echo; wait');
  await said(child);
  const id = (await ps.identify(child.pid))!;
  t.equal(id.pid, child.pid);
  const tree = await ps.tree(id);
  t.equal(tree.length, 2);
  t.strictSame(tree[0], id);
  t.strictSame(await ps.tree({ ...id, start: id.start - 60 }), [], 'an older process of the same pid');
  t.equal(await ps.openFds(), null, 'not told');
  child.kill('SIGKILL');
  await endOf(child);
  t.equal(await ps.identify(child.pid), null);
  t.strictSame(await ps.tree(id), []);
});

t.test('a ps that is not there is a failure, not the death of all processes', async (t) => {
  const path = process.env['PATH'];
  t.teardown(() => (process.env['PATH'] = path));
  process.env['PATH'] = t.testdir();
  t.equal(spawnSync('ps').error?.message, 'spawnSync ps ENOENT', 'no ps on this path');
  await t.rejects(new PsProcesses().identify(process.pid), { code: 'ENOENT' });
  await t.rejects(new PsProcesses().snapshot(), { code: 'ENOENT' });
});
