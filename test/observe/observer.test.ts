import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { systemClock } from '../../src/clock.js';
import { HeapwardenError } from '../../src/errors.js';
import type { AgentHub, AgentReport } from '../../src/observe/hub.js';
import { Observer } from '../../src/observe/observer.js';
import { Sampler, type Reading } from '../../src/observe/sampler.js';
import type { Standstill } from '../../src/observe/standstill.js';
import { workerKey, type Workers } from '../../src/observe/tracker.js';
import type { Slot, Supervisor } from '../../src/supervisors/contract.js';
import { statsOf } from '../decide/support.js';
import { MemoryLog, endOf, mustIdentify, processes, run } from './support.js';

/** A supervisor that answers as it is told. */
class FakeSupervisor implements Supervisor {
  readonly kind = 'child';
  answer: () => Promise<Slot[]>;

  constructor(...slots: Slot[]) {
    this.answer = async () => slots;
  }

  slots = () => this.answer();
  start = async () => {};
  restart = async () => ({ stop: 'gone' as const, pid: null, goneAt: null, ready: null });
  close = async () => {};
}

const running = (worker: string, pid: number | null): Slot => ({ worker, pid, state: 'running' });
const unreachable = () => Promise.reject(new HeapwardenError('SUPERVISOR_UNREACHABLE', 'PM2 does not answer'));

function readingOf(pid: number, start = pid, rssBytes = 1e6, ...children: number[]): Reading {
  const tree = [pid, ...children].map((member) => ({ pid: member, start, rssBytes, cpuSeconds: 1 }));
  return { root: tree[0]!, tree, startedAtMs: 0, treeRssBytes: tree.length * rssBytes, openFds: 3, threads: 7 };
}

/** Agents as a hub would report them; `sample` answers with what `fresh` makes of a report. */
class FakeHub {
  readonly agents = new Map<number, AgentReport>();
  asked: number[] = [];

  add(pid: number, app: string, connectedAt = 0, heapTotal = 1): AgentReport {
    const stats = statsOf({ heap_total: heapTotal });
    const agent = { pid, app, node: '22.0.0', connectedAt, heartbeatAt: 0, heartbeatAtMs: 0, inspectorPort: null, stats, statsAt: 0 };
    this.agents.set(pid, agent);
    return agent;
  }

  report = (pid: number) => this.agents.get(pid) ?? null;
  reports = () => [...this.agents.values()];
  sample = async (pid: number) => {
    this.asked.push(pid);
    return this.report(pid);
  };
}

class FakeSampler {
  readings = new Map<number, Reading>();
  error: Error | null = null;
  /** What is waited for before the next answer. */
  before: Promise<unknown> = Promise.resolve();

  set(...readings: Reading[]): void {
    this.readings = new Map(readings.map((reading) => [reading.root.pid, reading]));
  }

  sample = async (pids: readonly number[]) => {
    const found = pids.flatMap((pid) => this.readings.get(pid) ?? []);
    await this.before;
    if (this.error) throw this.error;
    return new Map(found.map((reading) => [reading.root.pid, reading]));
  };
}

/** Excuses as a test gives them, by pid. */
class FakeStandstills {
  readonly known = new Map<number, Standstill>();
  looked: number[][] = [];

  look = async (pids: readonly number[]) => void this.looked.push([...pids]);
  of = ({ pid }: AgentReport) => this.known.get(pid) ?? null;
}

function observe(apps: Record<string, Supervisor>) {
  const supervisors = new Map(Object.entries(apps));
  const [sampler, hub, log] = [new FakeSampler(), new FakeHub(), new MemoryLog()];
  const standstills = new FakeStandstills();
  const observer = new Observer({
    supervisors,
    sampler: sampler as unknown as Sampler,
    hub: hub as unknown as AgentHub,
    standstills,
    clock: systemClock,
    log,
  });
  return { observer, supervisors, sampler, hub, standstills, log };
}

const stateOf = (workers: Workers, app: string, worker = '0') => workers.get(workerKey(app, worker));
const keys = (workers: Workers) => [...workers.values()].map(({ app, worker }) => `${app}/${worker}`);
const said = (log: MemoryLog) => log.entries.map(({ level, message }) => `${level} ${message}`);

t.test('real processes: one that runs, one that has gone', async (t) => {
  const [alive, dead] = [run(t, 'sleep', '1000'), run(t, 'sleep', '0')];
  await endOf(dead);
  const supervisors = new Map([['shop', new FakeSupervisor(running('0', alive.pid), running('1', dead.pid))]]);
  const hub = new FakeHub() as unknown as AgentHub;
  const standstills = new FakeStandstills();
  const parts = { supervisors, hub, standstills, sampler: new Sampler(processes), clock: systemClock, log: new MemoryLog() };
  const observer = new Observer(parts);
  const before = Date.now();
  const workers = await observer.observe();
  t.equal(observer.workers, workers);
  const first = stateOf(workers, 'shop', '0')!;
  t.match(first, { supervisor: 'child', state: 'running', agent: null });
  t.strictSame({ pid: alive.pid, start: first.reading!.root.start }, await mustIdentify(alive.pid));
  t.ok(first.observedAtMs >= before && first.observedAtMs <= Date.now());
  t.match(stateOf(workers, 'shop', '1'), { state: 'running', reading: null, agent: null });
  t.match(observer.health.get('sampler'), { success: true });
  t.match(observer.health.get('supervisor/shop'), { success: true });
  t.ok(observer.health.get('sampler')!.durationMs > 0);

  alive.kill('SIGKILL');
  await endOf(alive);
  t.match(await observer.remeasure('shop', '0'), { state: 'running', reading: null });
  t.equal(stateOf(observer.workers, 'shop', '0')!.reading, null, 'and the picture has it');
});

t.test('a slot without a process keeps its state', async (t) => {
  const { observer } = observe({ shop: new FakeSupervisor({ worker: '0', pid: null, state: 'crash_loop' }) });
  t.match(stateOf(await observer.observe(), 'shop'), { state: 'crash_loop', reading: null, cpu: { seconds: 0 } });
  t.match(await observer.remeasure('shop', '0'), { state: 'crash_loop', reading: null });
});

t.test('a supervisor that does not answer', async (t) => {
  const shop = new FakeSupervisor(running('0', 10), running('1', 11));
  const { observer, sampler, log } = observe({ shop, mail: new FakeSupervisor(running('0', 20)) });
  sampler.set(readingOf(10), readingOf(11), readingOf(20));
  const slots = shop.answer;
  await observer.observe();
  shop.answer = unreachable;
  for (let round = 0; round < 3; round++) {
    t.strictSame(keys(await observer.observe()), ['shop/0', 'shop/1', 'mail/0'], 'keeps its last known slots');
    t.match(stateOf(observer.workers, 'shop'), { state: 'running', reading: { root: { pid: 10 } } });
    t.equal(observer.health.get('supervisor/shop')!.success, false);
    t.equal(observer.health.get('supervisor/mail')!.success, true);
  }
  await Promise.all([observer.remeasure('shop', '0'), observer.remeasure('shop', '1'), observer.observe()]);
  t.strictSame(said(log), ['error shop: PM2 does not answer'], 'one line, not one a round');

  sampler.set(readingOf(10, 999), readingOf(20));
  await observer.observe();
  t.equal(stateOf(observer.workers, 'shop')!.reading, null, "a reused pid's new owner is not taken for the worker");
  await observer.observe();
  t.equal(stateOf(observer.workers, 'shop')!.reading, null);

  shop.answer = slots;
  await observer.observe();
  t.match(stateOf(observer.workers, 'shop'), { reading: { root: { pid: 10, start: 999 } } });
  t.equal(observer.health.get('supervisor/shop')!.success, true);
  shop.answer = unreachable;
  await observer.observe();
  t.strictSame(said(log).slice(1), ['info shop: its supervisor answers again', 'error shop: PM2 does not answer']);

  for (const reason of ['PM2 has gone', 'PM2 does not answer', 'PM2 has gone']) {
    shop.answer = () => Promise.reject(new Error(reason));
    await observer.observe();
  }
  t.strictSame(said(log).slice(3), ['error shop: PM2 has gone'], 'another reason is told, once');
  for (let i = 0; i < 30; i++) {
    shop.answer = () => Promise.reject(new Error(`PM2 does not answer for ${i} s`));
    await observer.observe();
  }
  t.equal(said(log).length, 2 + 10, 'and no more than ten, whatever they are');
});

t.test('a supervisor that has never answered has one slot, which is down', async (t) => {
  const shop = new FakeSupervisor();
  shop.answer = unreachable;
  const { observer } = observe({ shop });
  t.match(stateOf(await observer.observe(), 'shop'), { state: 'stopped', reading: null });
});

t.test('when nothing can be measured', async (t) => {
  const { observer, sampler, hub, log } = observe({ shop: new FakeSupervisor(running('0', 10)) });
  sampler.set(readingOf(10), readingOf(30));
  hub.add(30, 'tool');
  const before = stateOf(await observer.observe(), 'shop')!;
  sampler.error = new Error('EMFILE: too many open files');
  for (let round = 0; round < 3; round++) {
    t.strictSame(keys(await observer.observe()), ['shop/0', 'tool/0']);
    t.equal(stateOf(observer.workers, 'shop')!.reading, before.reading, 'a process is not down for that');
    t.equal(observer.health.get('sampler')!.success, false);
  }
  t.match(await observer.remeasure('shop', '0'), { app: 'shop', reading: null }, 'nothing is decided on old figures');
  t.equal(stateOf(observer.workers, 'shop')!.reading, before.reading);
  sampler.error = null;
  await observer.observe();
  t.equal(observer.health.get('sampler')!.success, true);
  const lines = ['error memory could not be measured: EMFILE: too many open files', 'info memory is measured again'];
  t.strictSame(said(log), lines);
});

t.test('measured again', async (t) => {
  const shop = new FakeSupervisor(running('0', 10));
  const { observer, supervisors, sampler, hub } = observe({ shop });
  sampler.set(readingOf(10), readingOf(30));
  hub.add(10, 'shop', 0, 5);
  hub.add(30, 'tool');
  t.match(await observer.remeasure('shop', '0'), { reading: { root: { pid: 10 } } }, 'even before the first round');
  const first = stateOf(await observer.observe(), 'shop')!;
  sampler.set(readingOf(10, 10, 5e6), readingOf(30));
  hub.add(10, 'shop', 0, 77);
  await sleep(2);
  hub.asked = [];
  const again = (await observer.remeasure('shop', '0'))!;
  t.equal(again.reading!.treeRssBytes, 5e6);
  t.equal(again.agent!.stats!.heap_total, 77);
  t.strictSame(hub.asked, [10], 'its agent was asked');
  t.ok(again.observedAtMs > first.observedAtMs);
  t.equal(stateOf(observer.workers, 'shop'), again);

  t.equal(await observer.remeasure('shop', '7'), null, 'no such worker');
  t.equal(await observer.remeasure('nobody', '0'), null, 'no such app');
  t.match(await observer.remeasure('tool', '0'), { supervisor: 'none' }, 'an unmanaged one, as the last round saw it');
  shop.answer = async () => [running('1', 10)];
  t.equal(await observer.remeasure('shop', '0'), null, 'a slot that is gone');
  supervisors.delete('shop');
  t.match(await observer.remeasure('shop', '1'), null);
});

t.test('a storm of asks costs two looks at most, and each is told what was so after it asked', async (t) => {
  const shop = new FakeSupervisor(running('0', 10), running('1', 11));
  const { observer, sampler } = observe({ shop });
  let lists = 0;
  const slots = shop.answer;
  shop.answer = () => (lists++, slots());
  const sampled: number[][] = [];
  const { sample } = sampler;
  sampler.sample = (pids) => (sampled.push([...pids]), sample(pids));
  sampler.set(readingOf(10), readingOf(11));

  let release = () => {};
  sampler.before = new Promise<void>((resolve) => (release = resolve));
  const early = observer.remeasure('shop', '0');
  await sleep(5);
  sampler.set(readingOf(10, 10, 7e6), readingOf(11));
  const late = Array.from({ length: 1000 }, () => observer.remeasure('shop', '0'));
  await sleep(5);
  t.strictSame(sampled, [[10]], 'one under way');
  release();
  t.equal((await early)!.reading!.treeRssBytes, 1e6);
  for (const state of await Promise.all(late)) if (state?.reading?.treeRssBytes !== 7e6) t.fail('an old figure');
  t.strictSame([sampled, lists], [[[10], [10]], 2], 'and one for all who came meanwhile');

  await Promise.all([observer.remeasure('shop', '0'), observer.remeasure('shop', '1')]);
  t.strictSame([sampled.length, lists], [4, 3], 'workers are measured each for itself');
  const unknown = Array.from({ length: 1000 }, (_, i) => [observer.remeasure('shop', `w${i}`), observer.remeasure(`app${i}`, '0')]);
  t.strictSame(new Set(await Promise.all(unknown.flat())), new Set([null]));
  t.strictSame([sampled.length, lists], [4, 4], 'what is unknown costs no look at the machine');
});

t.test('a reload that removes an app', async (t) => {
  const { observer, supervisors, sampler } = observe({
    shop: new FakeSupervisor(running('0', 10)),
    mail: new FakeSupervisor(running('0', 20)),
  });
  sampler.set(readingOf(10), readingOf(20));
  await observer.observe();
  supervisors.delete('shop');
  t.strictSame(keys(await observer.observe()), ['mail/0']);
  t.notOk(observer.health.has('supervisor/shop'));

  let release = () => {};
  sampler.before = new Promise<void>((resolve) => (release = resolve));
  const round = observer.observe();
  await sleep(5);
  supervisors.delete('mail');
  release();
  t.strictSame(keys(await round), [], 'in the middle of a round');
  t.equal((await observer.observe()).size, 0);
});

t.test('agents', async (t) => {
  const { observer, supervisors, sampler, hub } = observe({ shop: new FakeSupervisor(running('0', 10)) });
  sampler.set(readingOf(10, 10, 1e6, 11, 12), readingOf(30), readingOf(31));
  hub.add(11, 'npm', 0, 20);
  hub.add(12, 'service', 0, 90);
  hub.add(30, 'shop');
  hub.add(31, 'tool');
  hub.add(99, 'liar');
  const workers = await observer.observe();
  t.strictSame(keys(workers), ['shop/0', 'shop (unmanaged)/0', 'tool/0'], 'those of a tree are no strangers');
  t.equal(stateOf(workers, 'shop')!.agent!.pid, 12, 'the largest heap of the tree speaks');
  t.match(stateOf(workers, 'tool'), { supervisor: 'none', agent: { pid: 31 }, reading: { root: { pid: 31 } } });

  hub.agents.clear();
  hub.add(40, 'shop', performance.now() + 60_000);
  sampler.set(readingOf(10), readingOf(40));
  t.strictSame(keys(await observer.observe()), ['shop/0'], 'who connects while a round is on waits for the next one');
  hub.add(40, 'shop', performance.now());
  t.strictSame(keys(await observer.observe()), ['shop/0', 'shop (unmanaged)/0']);
  supervisors.clear();
  sampler.set(readingOf(10), readingOf(40));
  hub.add(10, 'shop');
  t.strictSame(keys(await observer.observe()).toSorted(), ['shop (unmanaged)/0', 'shop/0'], 'no app configured');
});

t.test('processes that do not descend from the first one of a worker count with it', async (t) => {
  const shop = new FakeSupervisor({ ...running('0', 10), others: [20, 30] });
  const { observer, sampler, hub } = observe({ shop });
  sampler.set(readingOf(10, 10, 1e6, 11), readingOf(20, 20, 5e6, 21, 11));
  for (const pid of [10, 20, 21]) hub.add(pid, 'shop');
  const { reading } = stateOf(await observer.observe(), 'shop')!;
  t.strictSame(reading!.tree.map(({ pid }) => pid), [10, 11, 20, 21], 'each once; one that has gone is missed by nobody');
  t.equal(reading!.treeRssBytes, reading!.tree.reduce((sum, { rssBytes }) => sum + rssBytes, 0));
  t.equal(reading!.root.rssBytes, 1e6);
  t.strictSame(keys(observer.workers), ['shop/0'], 'and are no strangers');
  t.equal((await observer.remeasure('shop', '0'))!.reading!.tree.length, 4);
});

t.test("what stands beside an app's slots for a restart is no stranger", async (t) => {
  const shop = Object.assign(new FakeSupervisor(running('0', 10)), { beside: (): number[] => [20] });
  const { observer, sampler, hub } = observe({ shop });
  sampler.set(readingOf(10), readingOf(20, 20, 1e6, 21));
  for (const pid of [10, 20, 21]) hub.add(pid, 'shop');
  t.strictSame(keys(await observer.observe()), ['shop/0']);
  shop.beside = () => [];
  t.strictSame(keys(await observer.observe()), ['shop/0', 'shop (unmanaged)/0'], 'but it is as soon as nobody owns it');
});

t.test('a round that takes long does not undo what was measured meanwhile', async (t) => {
  const shop = new FakeSupervisor(running('0', 10), running('1', 11));
  const { observer, sampler } = observe({ shop });
  sampler.set(readingOf(10), readingOf(11));
  await observer.observe();

  let release = () => {};
  sampler.before = new Promise<void>((resolve) => (release = resolve));
  const round = observer.observe();
  await sleep(5);
  sampler.before = Promise.resolve();
  shop.answer = async () => [running('0', 50), running('1', 11)];
  sampler.set(readingOf(50), readingOf(11, 11, 9e6));
  t.match(await observer.remeasure('shop', '0'), { reading: { root: { pid: 50 } } });
  release();
  const workers = await round;
  t.match(stateOf(workers, 'shop', '0'), { reading: { root: { pid: 50 } } }, 'the new process stays');
  t.equal(stateOf(workers, 'shop', '1')!.reading!.treeRssBytes, 1e6, 'the rest is what the round saw');
  await observer.observe();
  t.equal(stateOf(observer.workers, 'shop', '1')!.reading!.treeRssBytes, 9e6);
});

t.test('why agents are silent is looked into before anyone is judged, and told once', async (t) => {
  const shop = new FakeSupervisor(running('0', 10));
  const { observer, sampler, hub, standstills, log } = observe({ shop });
  sampler.set(readingOf(10, 10, 1e6, 11), readingOf(30));
  hub.add(11, 'shop');
  hub.add(30, 'tool');
  await observer.observe();
  t.strictSame(standstills.looked, [[10, 11, 30]], 'at all that agents may be in');
  t.equal(stateOf(observer.workers, 'shop')!.standstill, null);
  standstills.known.set(11, { cause: 'stopped', until: 5, lasts: true });
  for (let round = 0; round < 2; round++) await observer.observe();
  t.match(stateOf(observer.workers, 'shop')!.standstill, { cause: 'stopped' });
  standstills.looked = [];
  t.match(await observer.remeasure('shop', '0'), { standstill: { cause: 'stopped' } });
  t.strictSame(standstills.looked, [[10, 11]], 'and again when it is measured again');
  const why = 'its event loop does not turn, but the process is stopped by a signal (state T; SIGCONT lets it go on)';
  t.strictSame(said(log), [`warn shop/0: ${why}; it does not count as frozen meanwhile`]);
  standstills.known.set(11, { cause: 'blind', until: 6, lasts: false });
  await observer.observe();
  t.equal(said(log).length, 1, 'the warden tells of itself elsewhere');
});
