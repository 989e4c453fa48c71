import t from 'tap';
import type { AgentReport } from '../../src/observe/hub.js';
import type { ProcessUsage, Reading } from '../../src/observe/sampler.js';
import type { Standstill } from '../../src/observe/standstill.js';
import { track, workerKey, type Moment, type Observation, type Workers } from '../../src/observe/tracker.js';
import { statsOf } from '../decide/support.js';

const usage = (pid: number, cpuSeconds: number, start = pid): ProcessUsage => {
  return { pid, start, cpuSeconds, rssBytes: 1e6 };
};
/** Where the system tells what a process has waited for. */
const parent = (pid: number, cpuSeconds: number, waitedCpuSeconds: number): ProcessUsage => {
  return { ...usage(pid, cpuSeconds), waitedCpuSeconds };
};

function reading(root: ProcessUsage, ...children: ProcessUsage[]): Reading {
  const tree = [root, ...children];
  return { root, tree, startedAtMs: 0, treeRssBytes: tree.length * 1e6, openFds: null, threads: null };
}

function agent(pid: number, heapTotal: number | null): AgentReport {
  const stats = heapTotal === null ? null : statsOf({ heap_total: heapTotal });
  return { pid, node: '22.0.0', app: 'shop', connectedAt: 0, heartbeatAt: 0, heartbeatAtMs: 0, inspectorPort: null, stats, statsAt: null };
}

const limited = (pid: number, heap_used: number, heap_total: number, heap_limit: number): AgentReport => {
  return { ...agent(pid, 0), stats: statsOf({ heap_used, heap_total, heap_limit }) };
};

const seen = (found: Partial<Observation>): Observation => {
  return { app: 'shop', worker: '0', supervisor: 'child', state: 'running', reading: null, agents: [], ...found };
};
/** At `now` on the clock that never jumps, and a million later by the time of day. */
const at = (now: number): Moment => ({ now, nowMs: 1_000_000 + now, standstillOf: () => null });
const SHOP = workerKey('shop', '0');

/** The CPU counter after each of these readings. */
function counter(...readings: (Reading | null)[]): number[] {
  let workers: Workers = new Map();
  return readings.map((one, i) => {
    workers = track(workers, [seen({ reading: one })], at(i));
    return workers.get(SHOP)!.cpu.seconds;
  });
}

t.test('the CPU counter', (t) => {
  t.strictSame(counter(reading(usage(1, 2)), reading(usage(1, 5)), reading(usage(1, 5))), [2, 5, 5], 'one process');
  t.strictSame(
    counter(
      reading(usage(1, 1), usage(2, 10)),
      reading(usage(1, 2), usage(2, 11)),
      reading(usage(1, 3)),
      reading(usage(1, 4), usage(3, 7)),
    ),
    [11, 13, 14, 22],
    'a child that has ended takes nothing away, and a new one brings all of its own',
  );
  t.strictSame(counter(reading(usage(1, 50)), reading(usage(2, 1))), [50, 1], 'a new root starts again');
  t.strictSame(counter(reading(usage(1, 50)), reading(usage(1, 1, 99))), [50, 1], 'even with the same pid');
  t.strictSame(
    counter(reading(usage(1, 1), usage(2, 10)), reading(usage(1, 1), usage(2, 1, 99))),
    [11, 12],
    "a child with an ended one's pid",
  );
  t.strictSame(counter(reading(usage(1, 5)), null, reading(usage(2, 1))), [5, 5, 1], 'a gap');
  t.strictSame(counter(reading(usage(1, 5)), reading(usage(1, 4.99)), reading(usage(1, 6))), [5, 5, 6.01]);
  t.end();
});

t.test('the CPU counter, where the system tells what was waited for', (t) => {
  const [short, long] = [parent(1, 3, 7), parent(1, 4, 9)];
  t.strictSame(counter(reading(short), reading(long)), [10, 13], 'children that came and went between two looks');
  t.strictSame(counter(reading(long)), [13], 'a warden that starts later finds the same');
  t.strictSame(
    counter(reading(parent(1, 1, 0), parent(2, 10, 2)), reading(parent(1, 1, 13))),
    [13, 14],
    'of a child that has ended only what it has used since the last look',
  );
  const inBetween = reading(parent(1, 2, 0));
  t.strictSame(
    counter(reading(parent(1, 1, 0), parent(2, 10, 0)), inBetween, reading(parent(1, 3, 11))),
    [11, 12, 14],
    'one that ended between the looks at its parent and at itself counts once',
  );
  const unwaited = [reading(parent(1, 1, 0), parent(2, 10, 0)), inBetween, inBetween, reading(parent(1, 3, 4))];
  t.strictSame(counter(...unwaited), [11, 12, 12, 17], 'one that nobody waits for holds nothing up');
  const untold = reading(parent(1, 1, 0), usage(2, 10));
  t.strictSame(
    counter(untold, reading(parent(1, 2, 0), parent(2, 10, 50)), reading(parent(1, 3, 0), parent(2, 10, 51))),
    [11, 12, 14],
    'what it has waited for before that was told is no growth',
  );
  const ticks = Array.from({ length: 1000 }, (_, i) => reading(parent(1, i / 100, i / 100)));
  t.equal(counter(...ticks).at(-1), counter(ticks.at(-1)!)[0], 'exactly, whoever has looked how often');
  t.end();
});

t.test('it never falls while the root lives, whatever its children do', (t) => {
  let random = 42;
  const next = (below: number) => (random = (random * 1103515245 + 12345) % 2 ** 31) % below;
  const readings: Reading[] = [];
  let children = [usage(2, 0)];
  for (let i = 0; i < 500; i++) {
    const older = children.filter(() => next(4) > 0);
    children = older.map((child) => ({ ...child, cpuSeconds: child.cpuSeconds + next(3), waitedCpuSeconds: next(9) }));
    if (next(2) === 0) children.push(usage(2 + next(5), next(10), i));
    readings.push(reading(usage(1, i), ...new Map(children.map((child) => [child.pid, child])).values()));
  }
  const values = counter(...readings);
  t.equal(values.findIndex((value, i) => i > 0 && value < values[i - 1]!), -1);
  t.end();
});

t.test('the spokesman', (t) => {
  const speaks = (...agents: AgentReport[]) =>
    track(new Map(), [seen({ reading: reading(usage(1, 0)), agents })], at(0)).get(SHOP)!.agent?.pid ?? null;
  t.equal(speaks(), null);
  t.equal(speaks(agent(1, 10), agent(2, 90), agent(3, 20)), 2, 'is the agent with the largest heap');
  t.equal(speaks(agent(1, null), agent(2, 1)), 2, 'an agent that has told nothing yet has none');
  t.equal(speaks(agent(1, null), agent(2, null)), 1, 'the root, where they do not differ');
  t.end();
});

/** Who speaks in each of these rounds. */
function rounds(...rounds: AgentReport[][]): (number | null)[] {
  let workers: Workers = new Map();
  return rounds.map((agents, i) => {
    workers = track(workers, [seen({ reading: reading(usage(1, 0)), agents })], at(i));
    return workers.get(SHOP)!.agent?.pid ?? null;
  });
}

t.test('workers of about one size do not take turns', (t) => {
  const both = (one: number, other: number) => [agent(1, one), agent(2, other)];
  const close = [both(90, 80), both(80, 90), both(80, 100)];
  t.strictSame(rounds(...close, both(80, 101)), [1, 1, 1, 2], 'until one is clearly larger');
  t.strictSame(rounds(both(80, 101), both(101, 90), [agent(1, 10)], both(10, 11)), [2, 2, 1, 1], 'or one has gone');
  t.end();
});

t.test('of workers of about one size, the one that is about to reach its heap limit speaks', (t) => {
  /** Each with so much used of a limit of 100. */
  const full = (...used: number[]) => used.map((percent, i) => limited(i + 1, percent, 100, 100));
  t.strictSame(rounds(full(84, 80), full(84, 90), full(84, 97)), [1, 1, 2], 'before V8 aborts it');
  t.strictSame(rounds(full(84, 80, 97), full(84, 80, 97), full(91, 80, 97), full(97, 80, 96)), [1, 3, 3, 3]);
  t.strictSame(rounds(full(84, 80), full(84, 97), full(84, 60)), [1, 2, 1], 'until it has collected');
  t.strictSame(rounds(full(96, 95), full(95, 96), full(96, 94), full(93, 96)), [1, 1, 1, 1], 'they do not take turns there');
  t.strictSame(rounds(full(30, 40), full(20, 59), full(45, 20)), [1, 1, 1], 'nor where all have room');
  const helped = [limited(1, 50, 60, 100), limited(2, 9, 9, 9.2)];
  t.strictSame(rounds(helped, helped), [1, 1], 'a helper with a small heap and a limit as small is none of them');
  t.end();
});

t.test('a frozen service speaks on beside its wrapper', (t) => {
  const silent = (pid: number): AgentReport => ({ ...agent(pid, null), statsAt: 0 });
  const both = [agent(1, 10), agent(2, 90)];
  t.strictSame(rounds(both, [agent(1, 10), silent(2)], [agent(1, 10), silent(2)]), [2, 2, 2], 'for as long as it is silent');
  const heard = [agent(1, 199), agent(2, 90)];
  t.strictSame(rounds(both, [agent(1, 10), silent(2)], heard), [2, 2, 1], 'then the heap decides again');
  t.strictSame(rounds(both, [agent(1, 10)]), [2, 1], 'not once it has gone');
  t.strictSame(rounds(both, [agent(1, 10), { ...silent(2), connectedAt: 7 }]), [2, 1], 'nor for another that has its pid');
  t.strictSame(rounds([agent(1, null), agent(2, null)], [agent(1, null), agent(2, 1)]), [1, 2], 'one whose first stats are to come has not fallen silent');
  t.end();
});

t.test('what is known of a worker', (t) => {
  const one = reading(usage(1, 3));
  const first = track(new Map(), [seen({ reading: one, agents: [agent(1, 5)] })], at(1000)).get(SHOP)!;
  t.match(first, { app: 'shop', worker: '0', supervisor: 'child', state: 'running', observedAtMs: 1_001_000, observedAt: 1000, standstill: null });
  t.equal(first.reading, one);
  t.notOk('agents' in first);
  const gone = track(new Map([[SHOP, first]]), [seen({ state: 'crash_loop' })], at(2000)).get(SHOP)!;
  t.equal(gone.reading, null, 'a process that has gone is no reading, not an old one');
  t.match(gone, { state: 'crash_loop', agent: null, observedAtMs: 1_002_000, observedAt: 2000, standstill: null });
  t.equal(gone.cpu.seconds, 3);
  t.equal(track(new Map([[SHOP, first]]), [], at(3000)).size, 0, 'a worker that is no longer observed is forgotten');
  t.not(workerKey('a', 'b c'), workerKey('a b', 'c'));
  t.end();
});

t.test('the excuse of a worker is that of the agent which speaks for it', (t) => {
  const standstill: Standstill = { cause: 'stopped', until: 90, lasts: true };
  const standstillOf = ({ pid }: AgentReport) => (pid === 2 ? standstill : null);
  const stateOf = (...agents: AgentReport[]) =>
    track(new Map(), [seen({ reading: reading(usage(1, 0)), agents })], { ...at(100), standstillOf }).get(SHOP)!;
  t.equal(stateOf(agent(1, 10), agent(2, 90)).standstill, standstill);
  t.equal(stateOf(agent(1, 90), agent(2, 10)).standstill, null);
  t.equal(stateOf().standstill, null, 'nobody speaks');
  t.end();
});
