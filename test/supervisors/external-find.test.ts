/** Which processes are an app's: with a table of processes that is made up, and real pid files. */
import { utimesSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { ExternalConfig } from '../../src/config/schema.js';
import type { ProcessFinder, ProcessId } from '../../src/supervisors/contract.js';
import { findExternal } from '../../src/supervisors/external-find.js';
import { placeProcesses, VACANT_FOR_MS } from '../../src/supervisors/external-slots.js';

const HEAPWARDEN = 500;
type Row = [pid: number, parent: number, commandLine: string | null];

const MACHINE: Row[] = [
  [1, 0, '/sbin/init'],
  [2, 0, null], // a kernel thread
  [100, 1, 'npm start'],
  [101, 100, 'sh -c node server.js'],
  [102, 101, 'node server.js'],
  [200, 1, 'node cluster.js'],
  [201, 200, 'node cluster.js'],
  [202, 200, 'node cluster.js'],
  [300, 1, 'vim server.js'],
  [400, 1, 'tmux: node server.js'],
  [HEAPWARDEN, 400, 'node heapwarden serve --app=node server.js'],
  [501, HEAPWARDEN, 'node server.js'],
  [600, 1, 'node worker.js --shop'],
  [601, 1, 'node worker.js --shop'],
];

const startedAtMs = (pid: number) => Date.UTC(2026, 0, 1) + pid * 1000;

function finder(rows = MACHINE, listeners: { pids: number[]; hidden: boolean } = { pids: [], hidden: false }): ProcessFinder {
  const facts = (pid: number, parent: number) => ({ pid, parent, start: pid * 10, startedAtMs: startedAtMs(pid) });
  return {
    processes: async () => new Map(rows.map(([pid, parent]) => [pid, facts(pid, parent)])),
    withCommandLines: async () =>
      new Map(rows.map(([pid, parent, commandLine]) => [pid, { ...facts(pid, parent), commandLine }])),
    listenersOn: async () => listeners,
  };
}

const find = (config: Partial<ExternalConfig>, by = finder(), known: ProcessId[] = []) =>
  findExternal({ restart: { signal: 'SIGTERM' }, timeout: 1, ...config }, by, known, HEAPWARDEN);
const pids = async (config: Partial<ExternalConfig>, by = finder()) => (await find(config, by)).roots.map(({ pid }) => pid);

t.test('by command line', async (t) => {
  t.strictSame(await pids({ match: '^node server\\.js$' }), [102], "not heapwarden's own child, nor what runs heapwarden");
  t.strictSame(await pids({ match: 'server\\.js' }), [101, 300], 'unanchored, a wrapper and an editor');
  t.strictSame(await pids({ match: '^node cluster' }), [200], 'the workers of a cluster are part of it');
  t.strictSame(await pids({ match: '^node worker' }), [600, 601], 'two that stand side by side, the older one first');
  t.strictSame(await pids({ match: '^(npm|node server)' }), [100], 'however far below');
  t.strictSame(await pids({ match: '^ruby' }), []);
  t.strictSame(await pids({ match: '^$' }), [], 'one without a command line is nobody');
});

t.test('a circle of parents, as a reused pid can close one', async (t) => {
  t.strictSame(await pids({ match: '^a' }, finder([[7, 8, 'a'], [8, 7, 'b'], [9, 9, 'a']])), [7, 9]);
});

t.test('by port', async (t) => {
  const holding = (...held: number[]) => finder(MACHINE, { pids: held, hidden: false });
  t.strictSame(await pids({ port: 3000 }, holding(102)), [102]);
  t.strictSame(await pids({ port: 3000 }, holding(202, 200, 201)), [200], 'a cluster');
  t.strictSame(await pids({ port: 3000 }, holding(1, 600)), [600], 'a socket that init has opened for it');
  t.strictSame(await pids({ port: 3000 }, holding(400, 500)), [], 'heapwarden, and what runs it');
  t.strictSame(await pids({ port: 3000 }, holding()), []);
  t.strictSame(await pids({ port: 3000 }, finder(MACHINE, { pids: [600], hidden: true })), [600]);
  await t.rejects(find({ port: 3000 }, finder(MACHINE, { pids: [], hidden: true })), {
    code: 'SUPERVISOR_UNREACHABLE',
    message: 'heapwarden may not see which process listens on port 3000; run it as that user, or as root',
  });
});

t.test('by pid file', async (t) => {
  const folder = t.testdir();
  const file = `${folder}/app.pid`;
  const written = (text: string, secondsAfterStart: number) => {
    writeFileSync(file, text);
    const at = startedAtMs(600) / 1000 + secondsAfterStart;
    utimesSync(file, at, at);
    return find({ pid_file: file });
  };
  t.strictSame(await find({ pid_file: file }), { roots: [], note: null }, 'none');
  t.strictSame(await written('', 1), { roots: [], note: null }, 'empty');
  for (const text of ['600', ' 600\n', '600\n/var/lib/app\n']) {
    const { roots, note } = await written(text, 1);
    t.strictSame([roots.map(({ pid }) => pid), note], [[600], null], JSON.stringify(text));
  }
  t.strictSame((await written('600', -1)).roots.length, 1, 'within the error of the clocks');
  t.strictSame(await written('600', -90), {
    roots: [],
    note:
      `${file} is stale: process 600 started 1m30s after it was written, so that the pid is another program's by now. ` +
      "If it is the app's after all, write the file anew",
  });
  t.strictSame(await written('666', 1), { roots: [], note: `${file} is stale: it names process 666, and there is none` });
  for (const text of ['shop', '-1', '0', '12 13', '0x10']) {
    await t.rejects(written(text, 1), { code: 'SUPERVISOR_UNREACHABLE', message: `${file} does not begin with the pid of a process` }, text);
  }
  for (const pid of [1, 400, HEAPWARDEN]) await t.rejects(written(String(pid), 1), { code: 'SUPERVISOR_UNREACHABLE' }, `${pid}`);
  await t.rejects(find({ pid_file: folder }), { code: 'SUPERVISOR_UNREACHABLE', message: /EISDIR/ });
});

t.test('a pid file that the clock has been set forward past', async (t) => {
  const file = `${t.testdir()}/app.pid`;
  writeFileSync(file, '600');
  const before = startedAtMs(600) / 1000 - 3600;
  utimesSync(file, before, before);
  const found = async (...known: ProcessId[]) => (await find({ pid_file: file }, finder(), known)).roots.map(({ pid }) => pid);
  t.strictSame(await found({ pid: 600, start: 6000 }), [600], 'what was the app then is the app now');
  t.strictSame(await found({ pid: 600, start: 5999 }), [], 'its pid alone says nothing');
  t.strictSame(await found({ pid: 601, start: 6000 }), []);
});

t.test('by port, who held it before is asked first', async (t) => {
  const asked: (readonly number[])[] = [];
  const listenersOn: ProcessFinder['listenersOn'] = async (_port, likely) => (asked.push(likely), { pids: [600], hidden: false });
  await find({ port: 3000 }, { ...finder(), listenersOn }, [{ pid: 600, start: 6000 }]);
  t.strictSame(asked, [[600]]);
});

const process = (pid: number) => ({ pid, start: pid });
const shown = (places: ReturnType<typeof placeProcesses>) =>
  places.map(({ worker, process: found }) => [worker, found?.pid ?? null]);

t.test('slots', async (t) => {
  t.strictSame(shown(placeProcesses([], [], 0)), [[0, null]], 'there is always one');
  const three = placeProcesses([], [5, 6, 7].map(process), 0);
  t.strictSame(shown(three), [[0, 5], [1, 6], [2, 7]]);
  const oneGone = placeProcesses(three, [5, 7].map(process), 1000);
  t.strictSame(shown(oneGone), [[0, 5], [1, null], [2, 7]]);
  t.strictSame(shown(placeProcesses(oneGone, [5, 7, 8].map(process), 2000)), [[0, 5], [1, 8], [2, 7]], 'its successor takes its slot');
  t.strictSame(shown(placeProcesses(three, [{ pid: 5, start: 9 }, ...[6, 7].map(process)], 1)), [[0, 5], [1, 6], [2, 7]], 'the pid is not the process');
  t.strictSame(shown(placeProcesses(three, [5, 6, 7, 8].map(process), 1)), [[0, 5], [1, 6], [2, 7], [3, 8]]);
  t.strictSame(shown(placeProcesses(three, [15, 16, 17].map(process), 1)), [[0, 15], [1, 16], [2, 17]], 'all at once');
  t.strictSame(shown(placeProcesses(oneGone, [5, 7].map(process), 999 + VACANT_FOR_MS)).length, 3);
  t.strictSame(shown(placeProcesses(oneGone, [5, 7].map(process), 1000 + VACANT_FOR_MS)), [[0, 5], [2, 7]], 'scaled down');
});

t.test('slot 0 is forgotten like the others', async (t) => {
  const two = placeProcesses([], [5, 6].map(process), 0);
  const oldestGone = placeProcesses(two, [process(6)], 1000);
  t.strictSame(shown(oldestGone), [[0, null], [1, 6]]);
  const followed = placeProcesses(oldestGone, [6, 7].map(process), 999 + VACANT_FOR_MS);
  t.strictSame(shown(followed), [[0, 7], [1, 6]], 'its successor');
  const overlapped = placeProcesses(oldestGone, [process(6)], 1000 + VACANT_FOR_MS);
  t.strictSame(shown(overlapped), [[1, 6]], 'or else the other is the only worker');
  const gone = placeProcesses(overlapped, [], 2000 + VACANT_FOR_MS);
  t.strictSame(shown(gone), [[1, null]]);
  t.strictSame(shown(placeProcesses(gone, [process(8)], 3000 + VACANT_FOR_MS)), [[1, 8]]);
  t.strictSame(shown(placeProcesses(gone, [], 2000 + 2 * VACANT_FOR_MS)), [[0, null]], 'there is always one');

  const down = placeProcesses(placeProcesses([], [process(5)], 0), [], 1000);
  const longDown = placeProcesses(down, [], 1000 + VACANT_FOR_MS);
  t.strictSame(shown(longDown), [[0, null]], 'the only one');
  t.strictSame(shown(placeProcesses(longDown, [process(9)], 9 * VACANT_FOR_MS)), [[0, 9]], 'however long it was gone');
});

t.test('while only some slots are open', async (t) => {
  const two = placeProcesses([], [5, 6].map(process), 0);
  const meanwhile = placeProcesses(two, [5, 6, 7].map(process), 1, new Set([0, 1]));
  t.strictSame(shown(meanwhile), [[0, 5], [1, 6]], 'a new process waits without a slot');
  const replaced = placeProcesses(meanwhile, [5, 7].map(process), 2, new Set([0, 1]));
  t.strictSame(shown(replaced), [[0, 5], [1, 7]], 'until one is free');
  const over = placeProcesses(meanwhile, [5, 6, 7].map(process), 2);
  t.strictSame(shown(over), [[0, 5], [1, 6], [2, 7]], 'or all are open');
  const withVacant = placeProcesses(two, [process(6)], 1);
  const later = placeProcesses(withVacant, [6, 7].map(process), 2, new Set([1]));
  t.strictSame(shown(later), [[0, null], [1, 6]], 'it takes none that is not open');
  t.strictSame(shown(placeProcesses(later, [process(7)], 3, new Set([1]))), [[0, null], [1, 7]]);
});
