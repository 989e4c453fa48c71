import { setTimeout as sleep } from 'node:timers/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import t, { type Test } from 'tap';
import { readCommandLine } from '../../src/observe/command-line.js';
import { LinuxFinder, parseCommandLines, parsePids, processFinder, PsFinder } from '../../src/observe/finder.js';
import { plainNode, processes, run, said, until } from './support.js';

const finder = new LinuxFinder(processes);

function listening(t: Test, host: string): Promise<number> {
  const server: Server = createServer();
  t.teardown(() => server.close());
  return new Promise((resolve) => server.listen(0, host, () => resolve((server.address() as AddressInfo).port)));
}

t.test('who listens on a port', async (t) => {
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const port = await listening(t, host);
    const found = { pids: [process.pid], hidden: false };
    t.strictSame(await finder.listenersOn(port, []), found, host);
    t.strictSame(await finder.listenersOn(port, [process.pid]), found, 'by the one that is known');
    t.strictSame(await finder.listenersOn(port, [1, 2 ** 30]), found, 'whatever else is known');
  }
  t.strictSame(await finder.listenersOn(1, []), { pids: [], hidden: false });
});

t.test('a cluster holds its port in every process that has the socket', async (t) => {
  const script = "const c=require('cluster');c.schedulingPolicy=c.SCHED_NONE;if(c.isPrimary)c.fork().on('listening',a=>console.log(a.port));else require('net').createServer().listen(0,'127.0.0.1')";
  const child = run(t, ...plainNode(`${t.testdir({ 'cluster.cjs': script })}/cluster.cjs`));
  const port = Number(await said(child));
  const { pids, hidden } = await finder.listenersOn(port, []);
  t.ok(pids.includes(child.pid));
  t.equal(pids.length, 2, 'the primary, and the worker it has given it to');
  t.notOk(hidden);
});

t.test('command lines', async (t) => {
  const child = run(t, ...plainNode('-e', 'console.log(1); setInterval(() => {}, 1e6)', '--', 'a  b', ''));
  await said(child);
  const all = await finder.withCommandLines();
  t.match(all.get(child.pid), { pid: child.pid, parent: process.pid, startedAtMs: Number, start: Number });
  t.equal(all.get(child.pid)!.commandLine, `${process.execPath} -e console.log(1); setInterval(() => {}, 1e6) -- a  b`);
  t.strictSame((await finder.processes()).get(child.pid)!.start, all.get(child.pid)!.start);
});

t.test('a command line is told whole, however long it is', async (t) => {
  const script = 'echo; while :; do sleep 1; done';
  const before = `sh -c ${script} `;
  // With the NUL at its end, around one read and two, and far beyond a page of memory; é is two bytes.
  for (const bytes of [2046, 2047, 2048, 4095, 100_001]) {
    const rest = bytes - before.length;
    const word = `${'x'.repeat(rest % 2)}${'é'.repeat(Math.floor(rest / 2))}`;
    const child = run(t, 'sh', '-c', script, word);
    await said(child);
    const text = (await new LinuxFinder(processes).withCommandLines()).get(child.pid)!.commandLine!;
    t.ok(text === `${before}${word}`, `${Buffer.byteLength(text)} bytes of ${bytes}`);
  }
  await t.rejects(readCommandLine(2 ** 22 + 1), { code: 'ENOENT' });
});

t.test('a program that takes the place of a shell', async (t) => {
  const lineOf = async (by: LinuxFinder, pid: number) => (await by.withCommandLines()).get(pid)?.commandLine;
  const inAnHour = new LinuxFinder(processes, () => Date.now() + 3_600_000);
  const young = new LinuxFinder(processes);
  const script = 'trap "exec sleep 77" USR1; echo 1; while :; do sleep 0.01; done';
  const child = run(t, 'sh', '-c', script);
  await said(child);
  const shell = `sh -c ${script}`;
  t.strictSame([await lineOf(young, child.pid), await lineOf(inAnHour, child.pid)], [shell, shell]);
  child.kill('SIGUSR1');
  while ((await lineOf(new LinuxFinder(processes), child.pid)) !== 'sleep 77') await sleep(10);
  t.equal(await lineOf(young, child.pid), 'sleep 77', 'is seen at once while the process is young');
  let looks = 1;
  while (looks < 100 && (await lineOf(inAnHour, child.pid)) === shell) looks++;
  t.ok(looks <= 12, `and after ${looks} looks where it is old`);
});

t.test('a line that was read while the process was young is not believed when it is old', async (t) => {
  let aheadMs = 0;
  const seldom = new LinuxFinder(processes, () => Date.now() + aheadMs);
  const lineOf = async (by: LinuxFinder, pid: number) => (await by.withCommandLines()).get(pid)?.commandLine;
  const script = 'trap "exec sleep 78" USR1; echo 1; while :; do sleep 0.01; done';
  // So many that the turn in which any old one is asked again is not that of all.
  const shells = Array.from({ length: 3 }, () => run(t, 'sh', '-c', script));
  for (const shell of shells) await said(shell);
  for (const shell of shells) t.equal(await lineOf(seldom, shell.pid), `sh -c ${script}`);
  for (const shell of shells) {
    shell.kill('SIGUSR1');
    while ((await lineOf(new LinuxFinder(processes), shell.pid)) !== 'sleep 78') await sleep(10);
  }
  aheadMs = 3_600_000;
  const seen = await seldom.withCommandLines();
  t.strictSame(shells.map(({ pid }) => seen.get(pid)?.commandLine), ['sleep 78', 'sleep 78', 'sleep 78']);
});

t.test('the line of a process that waits in the kernel is not read again: that could take as long as it waits', async (t) => {
  const { pid } = run(t, 'sleep', '1005');
  const real = (await processes.snapshot()).get(pid)!;
  t.equal(real.isStuck, false);
  let [found, aheadMs] = [real, 0];
  const fake = new LinuxFinder({ snapshot: async () => new Map([[pid, found]]) }, () => Date.now() + aheadMs);
  const line = async () => (await fake.withCommandLines()).get(pid)!.commandLine;
  t.equal(await line(), 'sleep 1005');
  process.kill(pid, 'SIGKILL');
  await until('its end', async () => (await processes.identify(pid)) === null);
  found = { ...real, isStuck: true };
  aheadMs = 3_600_000;
  for (let look = 0; look < 13; look++) if ((await line()) !== 'sleep 1005') t.fail('it has the line that it had');
  found = real;
  t.equal(await line(), null, 'which was read while it was young, so that it is read as soon as it may be');
});

t.test('those who ask at the same time share one look', async (t) => {
  t.equal(finder.processes(), finder.processes());
  t.equal(finder.withCommandLines(), finder.withCommandLines());
});

t.test('by ps, as on macOS', async (t) => {
  const child = run(t, ...plainNode('-e', 'console.log(1); setInterval(() => {}, 1e6)'));
  await said(child);
  const all = await new PsFinder(processes).withCommandLines();
  t.equal(all.get(child.pid)?.commandLine, `${process.execPath} -e console.log(1); setInterval(() => {}, 1e6)`);
  t.ok(processFinder(processes, 'darwin') instanceof PsFinder);
  t.ok(processFinder(processes, 'linux') instanceof LinuxFinder);
});

t.test('what ps and lsof print', async (t) => {
  // In the columns of macOS 14: pids are right-aligned to five places.
  const printed = '    1 /sbin/launchd\n  317 /usr/libexec/logd \n70211 node /Users/me/shop/server.js --port 3000\n';
  t.strictSame([...parseCommandLines(printed)], [
    [1, '/sbin/launchd'],
    [317, '/usr/libexec/logd'],
    [70211, 'node /Users/me/shop/server.js --port 3000'],
  ]);
  t.strictSame([...parseCommandLines('')], []);
  t.strictSame(parsePids('70211\n70212\n70211\n'), [70211, 70212]);
  t.strictSame(parsePids(''), []);
});
