/** Several processes in one slot, as a unit or a container that runs `cluster` has: one counter all the same. */
import t from 'tap';
import { GC_BUCKETS_SECONDS } from '../../src/agent/protocol.cjs';
import { DayBook } from '../../src/observe/day.js';
import type { AgentReport } from '../../src/observe/hub.js';
import type { ProcessUsage } from '../../src/observe/sampler.js';
import { track, workerKey, type Workers, type WorkerState } from '../../src/observe/tracker.js';
import { runtimeFamilies } from '../../src/publish/runtime.js';
import { MB, SECOND, statsOf } from '../decide/support.js';
import { VIEW } from '../publish/support.js';

const SHOP = workerKey('shop', '0');
const LOOK_MS = 10 * SECOND;

/** A process's heap, and the seconds it has collected garbage for, a GC each; null: its stats are old. */
type Told = { pid: number; heap: number; gc: number } | { pid: number; heap: null };

function agentOf(told: Told, statsAt: number): AgentReport {
  const common = { pid: told.pid, node: '22.0.0', app: 'shop', connectedAt: 0, heartbeatAt: 0, heartbeatAtMs: 0 };
  const none = { count: 0, sum_seconds: 0, buckets: GC_BUCKETS_SECONDS.map(() => 0) };
  if (told.heap === null) return { ...common, inspectorPort: null, stats: null, statsAt };
  const buckets = GC_BUCKETS_SECONDS.map((bound) => (bound < 1 ? 0 : told.gc));
  const major = { count: told.gc, sum_seconds: told.gc, buckets };
  const stats = statsOf({ heap_total: told.heap, gc: { major, minor: none, incremental: none, weakcb: none } });
  return { ...common, inspectorPort: null, stats, statsAt };
}

/** The worker after each look; the root is process 1, whoever tells something is in its tree. */
function looks(...rounds: Told[][]): WorkerState[] {
  let workers: Workers = new Map();
  return rounds.map((told, i) => {
    const pids = new Set([1, ...told.map(({ pid }) => pid)]);
    const tree = [...pids].map((pid): ProcessUsage => ({ pid, start: pid, rssBytes: MB, cpuSeconds: 0 }));
    const reading = { root: tree[0]!, tree, startedAtMs: 0, treeRssBytes: MB, openFds: null, threads: null };
    const state = { app: 'shop', worker: '0', supervisor: 'systemd', state: 'running' } as const;
    const moment = { now: i * LOOK_MS, nowMs: i * LOOK_MS, standstillOf: () => null };
    workers = track(workers, [{ ...state, reading, agents: told.map((one) => agentOf(one, moment.now)) }], moment);
    return workers.get(SHOP)!;
  });
}

const samplesOf = (worker: WorkerState) => {
  const families = runtimeFamilies({ ...VIEW, workers: [worker] });
  return [...families.find(({ name }) => name === 'heapwarden_nodejs_gc_duration_seconds')!.values];
};
const secondsOf = (worker: WorkerState) =>
  samplesOf(worker).reduce((sum, { metricName, value }) => sum + (metricName?.endsWith('_sum') ? value : 0), 0);

const one = (heap: number, gc: number): Told => ({ pid: 1, heap, gc });
const two = (heap: number, gc: number): Told => ({ pid: 2, heap, gc });
const three = (heap: number, gc: number): Told => ({ pid: 3, heap, gc });
const four = (heap: number, gc: number): Told => ({ pid: 4, heap, gc });

t.test('the count of a single process is its own, to the last digit', (t) => {
  const seconds = [0.1, 0.30000000000000004, 7.7];
  t.strictSame(looks(...seconds.map((gc) => [one(10, gc)])).map(secondsOf), seconds);
  t.end();
});

t.test('whoever speaks, it goes on from where it is, by what the speaker does', (t) => {
  t.strictSame(
    looks([two(50, 900), three(40, 5)], [two(50, 901), three(100, 6)], [two(50, 990), three(100, 8)]).map(secondsOf),
    [900, 900, 902],
    'what it had before it spoke is left out',
  );
  t.strictSame(
    looks([two(50, 900)], [two(50, 901), three(100, 3)], [two(50, 902), three(100, 4)]).map(secondsOf),
    [900, 903, 904],
    'unless it has only just been started',
  );
  t.strictSame(
    looks([two(50, 90), three(40, 5)], [three(40, 6)], [three(40, 7), four(60, 2)], [four(60, 4)]).map(secondsOf),
    [90, 90, 92, 94],
    'and where it has gone, another goes on',
  );
  const silent: Told = { pid: 2, heap: null };
  const counts = looks([two(50, 9), one(10, 1)], [silent, one(10, 5)], [two(50, 11), one(10, 9)]);
  t.strictSame(counts.map(({ gc }) => gc!.total.major.count), [9, 9, 11], 'one that is silent is waited for');
  t.end();
});

t.test('no sample of the histogram ever falls, and no look counts more time than has passed', (t) => {
  let random = 42;
  const next = (below: number) => (random = (random * 1103515245 + 12345) % 2 ** 31) % below;
  const counted = [0, 0, 0, 0];
  const workers = looks(
    ...Array.from({ length: 300 }, () => counted.map((gc, i): Told => {
      const now = gc + next(10);
      counted[i] = now;
      return { pid: i + 1, heap: 50 + next(100), gc: now };
    })),
  );
  t.ok(new Set(workers.map(({ agent }) => agent!.pid)).size > 1, 'they take turns');
  const rows = workers.map((worker) => samplesOf(worker).map(({ value }) => value));
  t.notOk(rows.some((row, i) => i > 0 && row.some((value, j) => value < rows[i - 1]![j]!)));
  const seconds = workers.map(secondsOf);
  t.notOk(seconds.some((value, i) => i > 0 && value - seconds[i - 1]! > LOOK_MS / SECOND));

  const book = new DayBook();
  for (const worker of workers) book.add(new Map([[SHOP, worker]]), () => 1);
  const { gc_share } = book.of('shop', '0')!.hour.read(299 * LOOK_MS).columns;
  const shares = gc_share.reduce((sum, value) => sum + (value || 0), 0);
  t.equal(Math.round(shares * LOOK_MS) / SECOND, seconds.at(-1)! - seconds[0]!, 'the last hour has as much');
  t.end();
});
