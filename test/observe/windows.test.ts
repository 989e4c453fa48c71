/**
 * The answers of PowerShell are not recorded, but written by hand after Microsoft's documentation of Win32_Process and
 * ConvertTo-Json: nothing here has met a Windows.
 */
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { processFinder, WindowsFinder } from '../../src/observe/finder.js';
import { powershellArguments, runPowershell } from '../../src/observe/powershell.js';
import { processSource } from '../../src/observe/processes.js';
import { Sampler } from '../../src/observe/sampler.js';
import { signReader } from '../../src/observe/signs.js';
import { creationMs, parseWin32Processes, PROCESS_QUERY, WindowsProcesses } from '../../src/observe/windows.js';

const answer = (name: string) => readFileSync(new URL(`windows/${name}.json`, import.meta.url), 'utf8');
const [five, seven] = [answer('powershell-5'), answer('powershell-7')];
const byPid = (output: string) => new Map(parseWin32Processes(output).map((facts) => [facts.pid, facts]));
const entry = (more: object) => ({ ProcessId: 5, CreationDate: '/Date(1000)/', ThreadCount: 1, ...more });

/** A machine on which PowerShell gives these answers in turn, the last one for ever; and what it was asked. */
function machine(...answers: string[]) {
  const asked: string[] = [];
  const run = async (script: string): Promise<string> => {
    asked.push(script);
    return (answers.length > 1 ? answers.shift() : answers[0])!;
  };
  const gone = new Set<number>();
  return { asked, gone, run, processes: new WindowsProcesses({ run, exists: (pid) => !gone.has(pid) }) };
}

t.test('as PowerShell 5.1 prints it', async (t) => {
  const all = byPid(five);
  t.strictSame(all.get(6344), {
    pid: 6344,
    parent: 6120,
    start: 1_763_683_932_609,
    startedAtMs: Date.parse('2025-11-21T00:12:12.609Z'),
    threads: 14,
    usage: { rssBytes: 311_922_688, cpuSeconds: 25 },
    commandLine: '"C:\\Program Files\\nodejs\\node.exe" C:\\srv\\shop\\worker.js --name=Café --sep=&',
    handles: 318,
  });
  t.equal(all.get(716)!.commandLine, null, "another user's");
  t.notOk(all.has(0), 'System Idle Process was never created');
  t.notOk(all.has(7100), 'it has ended: no thread is left');
});

t.test('as PowerShell 7 prints it', async (t) => {
  const [older, newer] = [byPid(five), byPid(seven)];
  t.strictSame([...newer.keys()], [4, 6120, 6344]);
  for (const [pid, facts] of newer) t.strictSame(facts, older.get(pid), `${pid}: the same identity by both`);
});

t.test('one process is no list, and lines may end as they like', async (t) => {
  const one = JSON.stringify(entry({ ParentProcessId: 1 }), null, 4).replaceAll('\n', '\r\n');
  t.match(parseWin32Processes(`\uFEFF${one}\r\n`), [{ pid: 5, parent: 1, start: 1000, usage: null, commandLine: null, handles: null }]);
});

t.test('a parent whose pid is another process by now', async (t) => {
  const all = byPid(five);
  t.equal(all.get(7012)!.parent, 0, 'it is older than who has the pid of its parent now');
  t.equal(all.get(6344)!.parent, 6120);
  t.equal(all.get(716)!.parent, 588, 'who has gone, and nobody has the pid');
  const sameMs = JSON.stringify([entry({ ProcessId: 8 }), entry({ ProcessId: 9, ParentProcessId: 8 })]);
  t.equal(byPid(sameMs).get(9)!.parent, 8, 'created in the same millisecond');
});

t.test('times of creation', async (t) => {
  const ms = Date.UTC(2025, 10, 21, 0, 12, 12, 123);
  for (const value of [
    `/Date(${ms})/`,
    { value: `/Date(${ms})/`, DateTime: 'Friday, November 21, 2025 1:12:12 AM' },
    '2025-11-21T01:12:12.1239999+01:00',
    '2025-11-21T00:12:12.123Z',
    '2025-11-20T19:12:12.123-05:00',
  ]) t.equal(creationMs(value), ms, JSON.stringify(value));
  t.equal(creationMs('2025-11-21T00:12:12.5Z'), ms + 377);
  t.equal(creationMs('2025-11-21T00:12:12Z'), ms - 123);
  for (const value of [null, undefined, 3, '', 'Friday', '20251121011212.123456+060', '2025-11-21T01:12:12', {}]) {
    t.equal(creationMs(value), null, JSON.stringify(value));
  }
});

t.test('what is no list of processes is a failure, not the death of all', async (t) => {
  for (const output of ['', '\r\n', five.slice(0, 400), 'Get-CimInstance : Access denied']) {
    t.throws(() => parseWin32Processes(output), /^PowerShell's answer is no list of processes: /, JSON.stringify(output));
  }
  for (const output of ['[]', 'null', '{}', '[null, 3, "x"]', JSON.stringify(entry({ CreationDate: null }))]) {
    t.throws(() => parseWin32Processes(output), { message: 'PowerShell named no process at all' }, output);
  }
  await t.rejects(machine('').processes.snapshot());
  await t.rejects(machine('').processes.identify(6120));
});

t.test('one process, its tree, and its end', async (t) => {
  const { processes, asked, gone } = machine(five);
  const id = (await processes.identify(6120))!;
  t.strictSame(id, { pid: 6120, start: 1_763_683_932_123 });
  t.strictSame(await processes.tree(id), [id, { pid: 6344, start: 1_763_683_932_609 }], 'not the nightly backup');
  t.strictSame(await processes.tree({ ...id, start: id.start - 1 }), [], 'an older process of the same pid');
  t.equal(await processes.identify(1), null);
  t.strictSame([await processes.openFds(6120), await processes.openFds(1)], [231, null]);
  const looks = asked.length;
  gone.add(6120);
  t.equal(await processes.identify(6120), null);
  t.strictSame(await processes.tree(id), []);
  t.equal(asked.length, looks, 'for that no PowerShell is started');
});

t.test('all who ask at once share a look, and nobody one that began before they asked', async (t) => {
  const { processes, asked } = machine(five, seven);
  const first = processes.snapshot();
  const together = await Promise.all([first, processes.identify(4), processes.identify(6120), processes.tree({ pid: 4, start: 0 })]);
  t.equal(asked.length, 1, 'it had not begun');
  t.equal(together[0].size, 5);
  t.equal((await processes.snapshot()).size, 3);
  t.strictSame(asked, [PROCESS_QUERY, PROCESS_QUERY]);
});

t.test('the sampler takes the figures from the same look, and asks nobody else', async (t) => {
  const { processes, asked } = machine(five);
  const reading = (await new Sampler(processes).sample([6120, 1])).get(6120)!;
  t.strictSame(reading.tree.map(({ pid }) => pid), [6120, 6344]);
  t.equal(reading.treeRssBytes, 52_633_600 + 311_922_688);
  t.match(reading, { openFds: 231, threads: 12, startedAtMs: 1_763_683_932_123, root: { rssBytes: 52_633_600, cpuSeconds: 0.625 } });
  t.equal(asked.length, 1);
});

t.test('command lines, and who listens', async (t) => {
  const { processes, run } = machine(five);
  const lines = await new WindowsFinder(processes, run).withCommandLines();
  t.match(lines.get(6120), { pid: 6120, commandLine: '"C:\\Program Files\\nodejs\\node.exe" C:\\srv\\shop\\cluster.js' });
  t.equal(lines.get(716)!.commandLine, null);
  const ports = machine('6120\r\n6344\r\n6120\r\n', '');
  const finder = new WindowsFinder(ports.processes, ports.run);
  t.strictSame(await finder.listenersOn(3000), { pids: [6120, 6344], hidden: false }, 'IPv4 and IPv6');
  t.strictSame(await finder.listenersOn(3000), { pids: [], hidden: false }, 'nobody');
  t.match(ports.asked[0], /LocalPort -eq 3000 /);
});

t.test('how PowerShell is run', async (t) => {
  const [script] = powershellArguments(PROCESS_QUERY).slice(-1);
  t.match(script, /^\$ErrorActionPreference = 'Stop'; .*OutputEncoding.*; Get-CimInstance -ClassName Win32_Process \|/);
  t.notMatch(script, /"/, 'which would take escaping');
  t.strictSame(powershellArguments('x').slice(0, -1), ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command']);
});

t.test('a PowerShell that fails, hangs, or is not there', async (t) => {
  const { SystemRoot, PATH } = process.env;
  t.teardown(() => {
    process.env['PATH'] = PATH;
    if (SystemRoot === undefined) delete process.env['SystemRoot'];
    else process.env['SystemRoot'] = SystemRoot;
  });
  process.env['SystemRoot'] = 'Z:\\Windows';
  const path = String.raw`Z:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`;
  await t.rejects(runPowershell('x'), { message: `${path} failed: ENOENT` }, 'it is asked for by its whole path');
  // To this machine that is a name like any other.
  const folder = t.testdir({
    [path]: '#!/bin/sh\nfor last; do :; done\ncase "$last" in *hang) exec sleep 1000;; *fail) echo denied >&2; exit 1;; esac\necho "$last"\n',
  });
  chmodSync(join(folder, path), 0o755);
  process.env['PATH'] = `${folder}:${PATH}`;
  t.match(await runPowershell('it works'), /; it works\n$/);
  await t.rejects(runPowershell('it must fail'), { message: `${path} failed: denied` });
  await t.rejects(runPowershell('it must hang', 200), { message: `${path} failed: it had not ended after 0.2 s` });
});

t.test('which source a system has', async (t) => {
  t.type(processSource('win32'), WindowsProcesses);
  t.type(processFinder(processSource('win32'), 'win32'), WindowsFinder);
  t.equal(await signReader('win32')(process.pid, null), null, 'nothing is told there');
});
