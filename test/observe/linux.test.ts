import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import t from 'tap';
import { KernelThreads, isKernelThread } from '../../src/observe/kernel-threads.js';
import { LinuxProcesses, bootTimeMs, parseClockTicks, parsePageBytes, parseProcStat } from '../../src/observe/linux.js';
import { openFiles } from '../open-files.js';
import { cannotRun } from '../parts/index.js';
import { endOf, isAlive, mustIdentify, plainNode, processes, run, said, until } from './support.js';

// pid (name) state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime
// priority nice threads itrealvalue start vsize rss …, recorded on Linux 6.18
const REST =
  'S 4240 4242 4242 0 -1 4194560 1890 30 1 2 137 21 5 6 20 0 11 0 7788 1158107136 12801 18446744073709551615 1 1 0 0 ' +
  '0 0 0 16781312 134234626 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n';
const PARSED = {
  pid: 4242,
  state: 'S',
  parent: 4240,
  flags: 4194560,
  majorFaults: 1,
  cpu: 137 + 21,
  waitedCpu: 5 + 6,
  threads: 11,
  start: 7788,
  virtualBytes: 1158107136,
  residentPages: 12801,
};

/** Beyond 2^53 both round, each in its way. */
const sorted = (value: object | null) =>
  value &&
  Object.entries(value)
    .map(([name, one]: [string, unknown]) => [name, typeof one === 'number' && one > Number.MAX_SAFE_INTEGER ? 'huge' : one] as const)
    .toSorted(([a], [b]) => a.localeCompare(b));

function readStat(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return ''; // gone
  }
}

t.test('a stat line, whatever the process is called', (t) => {
  const names = ['node', 'a b', 'a) b) R 1', ') R 1 2 3 (', '((', 'x) Z 1 1 1', ' ', '', 'új', 'a\nb', 'S 1 1'];
  for (const name of names) t.strictSame(parseProcStat(`4242 (${name}) ${REST}`), PARSED, JSON.stringify(name));
  t.end();
});

t.test('anything that is not a whole stat line is none', (t) => {
  const line = `4242 (node) ${REST}`;
  for (let length = 0; length < line.length; length++) {
    if (parseProcStat(line.slice(0, length)) !== null) t.fail(`the first ${length} characters pass for a line`);
  }
  t.equal(parseProcStat(line.slice(0, -30) + '\n')?.pid, 4242, 'an older kernel, with fewer fields at the end');
  for (const garbage of ['', '\n', 'node', '1 (node)\n', '1 node S 1\n', '\0'.repeat(400), '('.repeat(50_000)]) {
    t.equal(parseProcStat(garbage), null, JSON.stringify(garbage.slice(0, 20)));
  }
  t.equal(parseProcStat(line.replace(' 7788 ', ' soon ')), null);
  t.equal(parseProcStat(line.replace('4242 (', 'x (')), null);
  t.equal(parseProcStat(line.replace(' 4240 ', '  ')), null, 'an empty field is not 0');
  t.end();
});

/** The same by one pattern, as proc_pid_stat(5) has it. */
const PATTERN = new RegExp(
  String.raw`^(\d+) \(.*\) (\S) (\d+) (?:-?\d+ ){4}(\d+) (?:-?\d+ ){2}(\d+) -?\d+ (\d+) (\d+) (\d+) (\d+) ` +
    String.raw`(?:-?\d+ ){2}(\d+) -?\d+ (\d+) (\d+) (\d+) [^)]*\n$`,
  's',
);

t.test('the line is read as the pattern reads it, whole or damaged', (t) => {
  const byPattern = (line: string) => {
    const [, pid, state, parent, flags, majorFaults, ...rest] = PATTERN.exec(line) ?? [];
    const [user, system, waitedUser, waitedSystem, threads, start, virtualBytes, residentPages] = rest;
    if (pid === undefined) return null;
    const numbers = { pid, parent, flags, majorFaults, threads, start, virtualBytes, residentPages };
    const parsed = Object.fromEntries(Object.entries(numbers).map(([name, text]) => [name, Number(text)]));
    const [cpu, waitedCpu] = [Number(user) + Number(system), Number(waitedUser) + Number(waitedSystem)];
    return { ...parsed, state, cpu, waitedCpu };
  };
  const same = (line: string) => t.strictSame(parseProcStat(line), byPattern(line), JSON.stringify(line)) as unknown;
  const line = `4242 (node) ${REST}`;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const real = readStat(pid);
    if (real) same(real);
  }
  const bytes = [...' ()-\n0Sx', '1'];
  fc.assert(
    fc.property(fc.nat(line.length), fc.nat(3), fc.array(fc.constantFrom(...bytes), { maxLength: 3 }), (at, cut, put) => {
      const damaged = line.slice(0, at) + put.join('') + line.slice(at + cut);
      const [parsed, expected] = [parseProcStat(damaged), byPattern(damaged)];
      return JSON.stringify(sorted(parsed)) === JSON.stringify(sorted(expected));
    }),
    { numRuns: 5000, seed: 7 },
  );
  t.end();
});

t.test('the units of its figures, out of the auxiliary vector', (t) => {
  const entry = (type: bigint, value: bigint) => {
    const words = Buffer.alloc(16);
    words.writeBigUInt64LE(type);
    words.writeBigUInt64LE(value, 8);
    return words;
  };
  const auxv = Buffer.concat([entry(33n, 17n), entry(6n, 16384n), entry(17n, 250n), entry(0n, 0n)]);
  t.equal(parseClockTicks(auxv), 250);
  t.equal(parsePageBytes(auxv), 16384);
  for (const other of [Buffer.alloc(0), Buffer.alloc(7), auxv.subarray(0, 40), Buffer.from('no vector at all')]) {
    t.equal(parseClockTicks(other), 100, 'what Linux has on nearly every machine');
  }
  const own = readFileSync('/proc/self/auxv');
  t.equal(parseClockTicks(own), Number(spawnSync('getconf', ['CLK_TCK']).stdout));
  t.equal(parsePageBytes(own), Number(spawnSync('getconf', ['PAGESIZE']).stdout));
  t.end();
});

t.test('when the machine started', (t) => {
  const stat = 'cpu  1 2 3\nbtime 1700000000\nprocesses 5\n';
  t.equal(bootTimeMs(stat, 1_700_000_000_730), 1_700_000_000_730, 'the uptime knows the fraction of the second');
  t.equal(bootTimeMs(stat, 1_699_999_999_990), 1_699_999_999_990);
  t.equal(bootTimeMs(stat, 1_700_086_400_000), 1_700_000_000_000, "ticks do not count by a container's own uptime");
  t.equal(bootTimeMs('cpu  1 2 3\n', 1_700_000_000_730), 1_700_000_000_730, 'no btime');
  t.end();
});

t.test('this very process', async (t) => {
  const all = await processes.snapshot();
  const own = all.get(process.pid)!;
  t.equal(own.parent, process.ppid);
  t.strictSame(await processes.identify(process.pid), { pid: process.pid, start: own.start });
  t.ok(own.threads! >= 5, "Node's own and its pool's");
  const { rss } = process.memoryUsage();
  t.ok(Math.abs(own.usage!.rssBytes - rss) < 0.5 * rss, `${own.usage!.rssBytes} bytes, Node says ${rss}`);
  const { user, system } = process.cpuUsage();
  t.ok(Math.abs(own.usage!.cpuSeconds - (user + system) / 1e6) < 1, `${own.usage!.cpuSeconds} s of CPU`);
  t.ok((await processes.openFds(process.pid))! >= 3);
  t.ok(all.get(process.ppid), 'its parent is there too');
});

t.test('when a process started', async (t) => {
  const before = Date.now();
  const { pid } = run(t, 'sleep', '1000');
  const after = Date.now();
  const { startedAtMs } = (await processes.snapshot()).get(pid)!;
  t.ok(startedAtMs > before - 500 && startedAtMs < after + 500, `${startedAtMs - before} ms after it was asked for`);
});

t.test('start times neither waver nor keep to a clock that was wrong', async (t) => {
  let clockErrorMs = 0;
  const table = new LinuxProcesses(() => Date.now() + clockErrorMs);
  const start = async () => (await table.snapshot()).get(process.pid)!.startedAtMs;
  const first = await start();
  clockErrorMs = 300;
  t.equal(await start(), first, 'readings of clock and uptime that lie a little apart change nothing');
  clockErrorMs = -600;
  const second = await start();
  t.ok(Math.abs(second - first + 600) < 200, `the clock was set, and start times with it: by ${second - first} ms`);
  clockErrorMs = -10 * 86_400_000;
  const third = await start();
  t.ok(Math.abs(third - first) < 1200, `a clock that btime does not know is not believed: ${third - first} ms`);
  clockErrorMs = 0;
  const last = await start();
  t.ok(Math.abs(last - first) < 200, `${last - first} ms`);
});

t.test('a young process has a young age', async (t) => {
  const spawnedAtMs = Date.now();
  const child = run(t, 'sleep', '1000');
  const facts = await until('the process', async () => (await processes.snapshot()).get(child.pid) ?? null);
  const offMs = facts.startedAtMs - spawnedAtMs;
  t.ok(offMs > -100 && offMs < 1000, `${offMs} ms: btime alone would be up to a second early`);
});

t.test('a process that has ended is nobody', async (t) => {
  const child = run(t, 'sleep', '1000');
  const id = await mustIdentify(child.pid);
  t.ok(await isAlive(id));
  child.kill('SIGKILL');
  await endOf(child);
  t.equal(await processes.identify(child.pid), null);
  t.notOk((await processes.snapshot()).has(child.pid));
  t.strictSame(await processes.tree(id), []);
  t.equal(await processes.openFds(child.pid), null);
  t.equal(await processes.identify(2 ** 22 + 1), null, 'beyond any pid');
});

t.test('open descriptors are counted, not listed', async (t) => {
  const child = run(t, 'sh', '-c', 'exec 5</dev/null 6</dev/null 7</dev/null; echo; exec sleep 1000');
  await said(child);
  await until('sleep in its place', () => readFileSync(`/proc/${child.pid}/comm`, 'latin1') === 'sleep\n');
  await until('it to have loaded', () => parseProcStat(readFileSync(`/proc/${child.pid}/stat`, 'latin1'))?.state === 'S');
  const listed = readdirSync(`/proc/${child.pid}/fd`);
  t.ok(['0', '1', '2', '5', '6', '7'].every((fd) => listed.includes(fd)));
  t.equal(await processes.openFds(child.pid), listed.length);
  const closeAll = 'for fd in /proc/$$/fd/*; do eval "exec ${fd##*/}>&-"; done; exec sleep 1000';
  const without = run(t, 'bash', '-c', closeAll);
  await until('none', async () => (await processes.openFds(without.pid)) === 0);
  t.equal(await processes.openFds(2 ** 22 + 1), null, 'of nobody');
});

t.test('a zombie is nobody', async (t) => {
  // The second sleep has the first for a child, and never waits for it. The shell would, if it were still there.
  const child = run(t, 'sh', '-c', 'sleep 0.5 & echo $!; exec sleep 1000');
  const pid = Number(await said(child));
  await until('the zombie', () => parseProcStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.state === 'Z');
  t.equal(await processes.identify(pid), null);
  t.notOk((await processes.snapshot()).has(pid));
  t.strictSame((await processes.tree(await mustIdentify(child.pid))).map((id) => id.pid), [child.pid]);
});

t.test('the tree of a process, with those who left its session', async (t) => {
  const child = run(t, 'sh', '-c', 'sleep 1001 & setsid sleep 1002 & sh -c "sleep 1003 & echo; wait" & wait');
  await said(child);
  const root = await mustIdentify(child.pid);
  const tree = await until('all of them', async () => {
    const found = await processes.tree(root);
    return found.length === 5 && found;
  });
  t.strictSame(tree[0], root);
  t.teardown(() => tree.slice(1).forEach(({ pid }) => spawnSync('kill', ['-9', String(pid)])));
  t.strictSame(await processes.tree({ ...root, start: root.start - 1 }), [], 'an older process of the same pid');
});

t.test('kernel threads have no memory, and are not in the picture', async (t) => {
  if (!/^kthreadd$/m.test(readFileSync('/proc/2/comm', 'latin1'))) return cannotRun(t, 'pid 2 is a process of its own here');
  const kthreadd = await mustIdentify(2);
  const table = new LinuxProcesses();
  t.teardown(() => table.close());
  t.notOk((await table.snapshot()).has(2));
  t.notOk(openFiles().includes('/proc/2/stat'), 'its file is not kept open');
  t.ok((await table.tree(kthreadd)).length > 1, 'who asks for a tree is told all of it');
  t.ok((await table.snapshot()).has(process.pid), 'nor are the others left out');
});

t.test('a thread of the kernel is not read of for a minute, while looks are seconds apart', (t) => {
  t.ok(isKernelThread(0x0020_8040), 'kthreadd, by Linux 6.18');
  t.notOk(isKernelThread(4194560));
  t.ok(isKernelThread(0xffff_ffff), 'the highest flag is no sign');
  let now = 1000;
  const threads = new KernelThreads(() => now);
  const read = (...pids: number[]) => {
    const left = new Set(pids);
    threads.leaveOut(left);
    return [...left];
  };
  t.strictSame(read(1, 2, 3), [1, 2, 3]);
  threads.add(2);
  threads.add(3);
  t.strictSame(read(1, 2, 3, 4), [1, 4]);
  t.strictSame(read(1, 2, 4), [1, 4]);
  t.strictSame(read(1, 2, 3, 4), [1, 3, 4], 'it had gone, so its pid may be a process now');
  for (now = 11_000; now <= 61_000; now += 10_000) t.strictSame(read(1, 2), [1]);
  t.strictSame(read(1, 2), [1, 2], 'after a minute');
  threads.add(2);
  now += 10_000;
  t.strictSame(read(1, 2), [1]);
  now += 10_001;
  t.strictSame(read(1, 2), [1, 2], 'after a gap in which pids may have gone round');
  t.end();
});

t.test('who looks again and again lets timers run', async (t) => {
  for (const look of [() => processes.snapshot(), async () => processes.tree(await mustIdentify(process.pid))]) {
    await look(); // the first one reads files by a thread
    const ranAt: number[] = [];
    const from = performance.now();
    setTimeout(() => ranAt.push(performance.now()), 1);
    while (ranAt.length === 0 && performance.now() - from < 2000) await look();
    t.equal(ranAt.length, 1);
  }
});

t.test('too many open files are a failure, not the death of all processes', (t) => {
  const script = fileURLToPath(new URL('../apps/child-starved.mts', import.meta.url));
  const [program, ...args] = plainNode('--import', 'tsx', script);
  const { stdout, stderr } = spawnSync('sh', ['-c', 'ulimit -n 80 && exec "$@"', 'sh', program, ...args], {
    encoding: 'utf8',
  });
  t.equal(stdout, '10 no-error no-error EMFILE EMFILE alive counted\n', stderr);
  t.end();
});
