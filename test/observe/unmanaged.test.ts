import t from 'tap';
import type { AgentReport } from '../../src/observe/hub.js';
import type { Reading } from '../../src/observe/sampler.js';
import type { Observation } from '../../src/observe/tracker.js';
import { UnmanagedSlots } from '../../src/observe/unmanaged.js';

function agent(pid: number, app = 'tool'): AgentReport {
  return { pid, app, node: '22.0.0', connectedAt: 0, heartbeatAt: 0, heartbeatAtMs: 0, inspectorPort: null, stats: null, statsAt: null };
}

function readingOf(...pids: number[]): Reading {
  const tree = pids.map((pid) => ({ pid, start: pid, rssBytes: 1, cpuSeconds: 0, waitedCpuSeconds: 5 }));
  return { root: tree[0]!, tree, startedAtMs: 0, treeRssBytes: tree.length, openFds: null, threads: null };
}

function readings(...pids: number[]): Map<number, Reading> {
  return new Map(pids.map((pid) => [pid, readingOf(pid)]));
}

const names = (observations: Observation[]) => observations.map(({ app, worker }) => `${app}/${worker}`);

/** Places agents whose pids all have a process. */
function place(slots: UnmanagedSlots, agents: AgentReport[], ...configured: string[]): string[] {
  return names(slots.place(agents, readings(...agents.map(({ pid }) => pid)), new Set(configured)));
}

t.test('a stranger is shown with what is known of it', (t) => {
  const [seen] = new UnmanagedSlots().place([agent(7)], readings(7), new Set());
  t.match(seen, { app: 'tool', worker: '0', supervisor: 'none', state: 'running', agents: [agent(7)] });
  t.equal(seen!.reading!.root.pid, 7);
  t.end();
});

t.test('places are stable, and free ones are used again', (t) => {
  const slots = new UnmanagedSlots();
  const first = place(slots, [agent(1), agent(2), agent(3), agent(4, 'other')]);
  t.strictSame(first, ['tool/0', 'tool/1', 'tool/2', 'other/0']);
  t.strictSame(place(slots, [agent(3), agent(4, 'other'), agent(1)]), ['tool/2', 'other/0', 'tool/0']);
  t.strictSame(place(slots, [agent(3), agent(5), agent(6), agent(1)]), ['tool/2', 'tool/1', 'tool/3', 'tool/0']);
  t.strictSame(place(slots, []), []);
  t.strictSame(place(slots, [agent(3)]), ['tool/0'], 'who went loses its place');
  t.strictSame(place(slots, [agent(3, 'renamed')]), ['renamed/0'], 'another app with the pid of one that went');
  t.end();
});

t.test('a stranger is never taken for a worker of a configured app', (t) => {
  const slots = new UnmanagedSlots();
  const two = place(slots, [agent(1, 'shop'), agent(2, 'shop')], 'shop');
  t.strictSame(two, ['shop (unmanaged)/0', 'shop (unmanaged)/1']);
  const other = place(slots, [agent(1, 'shop'), agent(3)], 'shop', 'tool');
  t.strictSame(other, ['shop (unmanaged)/0', 'tool (unmanaged)/0']);
  t.strictSame(
    place(new UnmanagedSlots(), [agent(1, 'shop')], 'shop', 'shop (unmanaged)'),
    ['shop (unmanaged) (unmanaged)/0'],
    'whatever is configured',
  );
  t.end();
});

t.test('nor after a reload that configures an app of its name', (t) => {
  const slots = new UnmanagedSlots();
  t.strictSame(place(slots, [agent(1, 'shop'), agent(2)]), ['shop/0', 'tool/0']);
  t.strictSame(place(slots, [agent(1, 'shop'), agent(2)], 'shop'), ['shop (unmanaged)/0', 'tool/0']);
  t.end();
});

t.test('who claims a pid that nobody has is not shown', (t) => {
  const slots = new UnmanagedSlots();
  t.strictSame(names(slots.place([agent(1), agent(2)], readings(2), new Set())), ['tool/0']);
  t.strictSame(names(slots.place([agent(1), agent(2)], readings(1), new Set())), ['tool/1'], 'while 2 keeps its place');
  t.strictSame(place(slots, [agent(1), agent(2)]), ['tool/1', 'tool/0']);
  t.end();
});

t.test('what lies in the trees of several counts once, with the one next above it', (t) => {
  const cluster = [readingOf(1, 2, 3, 20, 21, 30), readingOf(2, 20, 21), readingOf(3, 30), readingOf(20)];
  const wholes = [...cluster, readingOf(9, 90)];
  const slots = new UnmanagedSlots();
  const look = (...pids: number[]) =>
    slots.place(pids.map((pid) => agent(pid)), new Map(wholes.map((whole) => [whole.root.pid, whole])), new Set());
  const treesOf = (seen: Observation[]) => seen.map(({ reading }) => reading!.tree.map(({ pid }) => pid));
  const all = look(20, 1, 9, 2, 3);
  t.strictSame(names(all), ['tool/0', 'tool/1', 'tool/2', 'tool/3', 'tool/4'], 'each is to be seen');
  t.strictSame(treesOf(all), [[20], [1], [9, 90], [2, 21], [3, 30]]);
  t.strictSame(all.map(({ reading }) => reading!.treeRssBytes), [1, 1, 2, 2, 2], 'and the sum is true');
  for (const { reading } of all) t.equal(reading!.root, reading!.tree[0]);
  t.equal(all[1]!.reading!.root.waitedCpuSeconds, undefined, 'a worker that has ended is not counted with the primary');
  t.equal(all[4]!.reading!.root.waitedCpuSeconds, 5);
  t.strictSame(treesOf(look(1, 3)), [[1, 2, 20, 21], [3, 30]], 'who has no place belongs to whoever is above');
  t.end();
});

t.test('there is a bound to what agents can make up', (t) => {
  const slots = new UnmanagedSlots();
  const many = Array.from({ length: 1500 }, (_, i) => agent(i + 1, `app ${i}`));
  const placed = place(slots, many);
  t.equal(placed.length, 1000);
  t.strictSame(place(slots, many), placed, 'the same every time');
  t.equal(place(slots, many.slice(500)).length, 1000, 'those that go make room');
  t.end();
});
