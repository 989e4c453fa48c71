/** On recorded /proc files; test/integration/docker.test.ts has the real ones. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { hello } from '../../src/agent/hello.cjs';
import { nestedProcesses, ownPidNamespace, pidsFromOutside } from '../../src/observe/inner-pid.js';
import { processes } from './support.js';

interface Recorded {
  nspid: string;
  start: number;
  /** null where it may not be read. */
  namespace: number | null;
}

function proc(t: Test, recorded: Record<string, Recorded>): string {
  const root = t.testdir({});
  for (const [pid, { nspid, start, namespace }] of Object.entries(recorded)) {
    mkdirSync(join(root, pid, 'ns'), { recursive: true });
    writeFileSync(join(root, pid, 'status'), `Name:\tnode\nPid:\t${pid}\nNSpid:\t${nspid}\nVmRSS:\t1 kB\n`);
    const stat = `${pid} (a) (b) S 1 1 1 0 -1 4194304 0 0 0 0 1 1 0 0 20 0 7 0 ${start} 1000 10 18446744073709551615 1\n`;
    writeFileSync(join(root, pid, 'stat'), stat);
    if (namespace !== null) symlinkSync(`pid:[${namespace}]`, join(root, pid, 'ns', 'pid'));
  }
  return root;
}

const shop = { pid: 1, pid_namespace: 4_026_532_180, start: 5000 };

t.test('a process that calls itself 1', async (t) => {
  const seen = async (recorded: Record<string, Recorded>) => pidsFromOutside(shop, await nestedProcesses(proc(t, recorded)));
  const same = { nspid: '700\t1', start: 5000, namespace: 4_026_532_180 };
  const other = { nspid: '701\t1', start: 5000, namespace: 4_026_532_999 };
  t.strictSame(await seen({ 700: same, 701: other }), [700], 'two that were started at the same moment');
  t.strictSame(await seen({ 701: other }), []);
  t.strictSame(await seen({ 700: { ...same, start: 4999 } }), [], 'an older one of that namespace, whose pid was given away');
  t.strictSame(await seen({ 700: { ...same, nspid: '700\t12' } }), []);
  t.strictSame(await seen({ 1: { ...same, nspid: '1' } }), [], "our own namespace's");
  t.strictSame(await seen({ 700: { ...same, nspid: '700\t33\t1' } }), [700], 'a container in a container');
  t.strictSame(await seen({ 700: { ...same, namespace: null } }), [700], 'its namespace may not be read: its start time tells');
  t.strictSame(await seen({ 700: { ...same, namespace: null }, 701: { ...other, namespace: null } }), [700, 701], 'nothing tells them apart');
});

t.test('who is of a namespace below ours, however deep', async (t) => {
  const own = { nspid: '12', start: 5000, namespace: 7 };
  const nested = { nspid: '700\t1', start: 5000, namespace: null };
  const root = proc(t, { 12: own, 700: nested, 701: { ...nested, nspid: '701\t3\t2', namespace: 9 } });
  t.strictSame(await nestedProcesses(root), [
    { pid: 700, innerPid: 1, start: 5000, namespace: null },
    { pid: 701, innerPid: 2, start: 5000, namespace: 9 },
  ]);
  rmSync(join(root, '700', 'stat'));
  t.strictSame((await nestedProcesses(root)).map(({ pid }) => pid), [701], 'one that has gone meanwhile');
  t.strictSame(await nestedProcesses(join(root, 'none')), [], 'where it cannot be looked, nobody is seen');
});

t.test('what an agent says is what is seen from outside', { skip: process.platform !== 'linux' && 'Linux only' }, async (t) => {
  const { pid, pid_namespace, start } = hello();
  t.equal(pid_namespace, await ownPidNamespace());
  t.equal(start, (await processes.identify(pid))?.start);
});
