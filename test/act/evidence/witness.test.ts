import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Witness, wantsProfile } from '../../../src/act/evidence/witness.js';
import { workerKey, type WorkerState } from '../../../src/observe/tracker.js';
import { MB, NOW, SECOND, appOf, workerOf, workersOf, type Made } from '../../decide/support.js';
import { FakeClock } from '../support.js';

t.test('from which line on allocations are sampled', async (t) => {
  const wants = (limits: string, made: Made, more = '') => wantsProfile(workerOf(made), appOf(`limits: { ${limits} }${more}`));
  const rss = 'rss: { warning: 50MB, restart: 200MB }';
  t.ok(wants(rss, { rssBytes: 50 * MB }));
  t.notOk(wants(rss, { rssBytes: 49 * MB }));
  t.ok(wants('rss: { restart: 100MB }', { rssBytes: 80 * MB }), 'near the restart line, where none warns');
  t.notOk(wants('rss: { restart: 100MB }', { rssBytes: 79 * MB }));
  t.ok(wants('heap: { warning: 30% }', { stats: { heap_used: 30 * MB } }));
  t.notOk(wants(rss, { rssBytes: 90 * MB }, ', evidence: { profile: false }'));
  t.notOk(wants(rss, { rssBytes: 90 * MB }, ', evidence: { keep: 0 }'));
});

t.test('the baseline: the least after startup_grace, and before that the first look', async (t) => {
  const witness = new Witness({ clock: new FakeClock(), whyNoFiles: async () => null, hub: { profile: async () => true } });
  const app = appOf('restart: { startup_grace: 30s }');
  const baselineAt = (seconds: number, rssMb: number, resources = {}) => {
    const at = NOW + seconds * SECOND;
    const worker = workerOf({ startedAtMs: NOW, observedAtMs: at, rssBytes: rssMb * MB, stats: { active_resources: resources } });
    witness.look([app], new Map([[workerKey('shop', '0'), worker]]));
    const { atMs, rssBytes } = witness.of(worker)!.baseline;
    return [(atMs - NOW) / SECOND, rssBytes / MB];
  };
  t.strictSame(baselineAt(1, 20), [1, 20]);
  t.strictSame(baselineAt(10, 90), [1, 20]);
  t.strictSame(baselineAt(30, 60), [30, 60], 'no longer as it was while it started');
  t.strictSame(baselineAt(40, 55), [40, 55]);
  t.strictSame(baselineAt(50, 300), [40, 55]);
});

t.test('it starts above the line, and stops a minute after it has come below', async (t) => {
  const asked: boolean[] = [];
  let hears = true;
  const clock = new FakeClock();
  const witness = new Witness({
    clock, whyNoFiles: async () => null, hub: { profile: async (_pid, on) => (asked.push(on), hears) },
  });
  const app = appOf('limits: { rss: { warning: 100MB, restart: 200MB } }');
  const look = async (made: Made) => {
    const worker = workerOf(made);
    witness.look([app], new Map([[workerKey('shop', '0'), worker]]));
    await turn();
    return witness.of(worker);
  };
  t.match(await look({ rssBytes: 50 * MB }), { profiledSince: null, baseline: { rssBytes: 50 * MB } });
  t.strictSame(asked, [false], 'a warden before this one may have started it');
  hears = false;
  t.equal((await look({ rssBytes: 150 * MB }))?.profiledSince, null, 'it has not heard');
  hears = true;
  t.match(await look({ rssBytes: 150 * MB }), { profiledSince: { rssBytes: 150 * MB }, baseline: { rssBytes: 50 * MB } });
  await look({ rssBytes: 50 * MB });
  clock.nowMs += 59_000;
  t.ok((await look({ rssBytes: 50 * MB }))?.profiledSince, 'a sawtooth');
  clock.nowMs += 1000;
  t.equal((await look({ rssBytes: 50 * MB }))?.profiledSince, null);
  t.strictSame(asked, [false, true, true, false]);
  t.match(await look({ rssBytes: 150 * MB, pid: 101 }), { baseline: { rssBytes: 150 * MB } }, 'another process');
});

t.test('one whose app is not in the config is told to stop, once a connection', async (t) => {
  const asked: [number, boolean][] = [];
  const hub = { profile: async (pid: number, on: boolean) => (asked.push([pid, on]), true) };
  const witness = new Witness({ clock: new FakeClock(), whyNoFiles: async () => null, hub });
  const look = (connectedAt: number) => {
    const worker = workerOf({ rssBytes: 150 * MB, supervisor: 'none' });
    witness.look([], workersOf({ ...worker, agent: { ...worker.agent!, connectedAt } }));
  };
  for (const connectedAt of [1, 1, 2, 2]) look(connectedAt);
  t.strictSame(asked, [[100, false], [100, false]]);
  witness.look([], workersOf());
  look(2);
  t.equal(asked.length, 3, 'it is not remembered for good');
});

t.test('when another process comes to speak for the worker, the one before it is told to stop', async (t) => {
  const asked: [number, boolean][] = [];
  let file = Promise.resolve<string | null>(null);
  const hub = { profile: async (pid: number, on: boolean) => (asked.push([pid, on]), true) };
  const witness = new Witness({ clock: new FakeClock(), whyNoFiles: () => file, hub });
  const app = appOf('limits: { rss: { warning: 100MB, restart: 200MB } }');
  const look = async (agentPid: number, rssBytes = 150 * MB) => {
    const worker = workerOf({ rssBytes: 1, childrenRssBytes: rssBytes });
    const speaker = { ...worker, agent: { ...worker.agent!, pid: agentPid } };
    witness.look([app], new Map([[workerKey('shop', '0'), speaker]]));
    await turn();
    return asked.splice(0);
  };
  t.strictSame(await look(100), [[100, true]]);
  t.strictSame(await look(9999), [[100, false], [9999, true]]);
  t.strictSame(await look(9999), []);
  t.strictSame(await look(100, MB), [[9999, false], [100, false]], 'each that may sample');
  t.strictSame(await look(9999, MB), [[9999, false]], 'not one that has stopped');

  let answer: (why: string | null) => void = () => {};
  file = new Promise((resolve) => (answer = resolve));
  t.strictSame(await look(9999), []);
  await look(100);
  answer(null);
  await turn();
  t.notOk(asked.some(([pid, on]) => pid === 9999 && on), 'nor is one begun with that is left by then');
});

t.test('one whose app leaves the config is told to stop, and one that connects anew is told again', async (t) => {
  const asked: boolean[] = [];
  const hub = { profile: async (_pid: number, on: boolean) => (asked.push(on), true) };
  const witness = new Witness({ clock: new FakeClock(), whyNoFiles: async () => null, hub });
  const app = appOf('limits: { rss: { warning: 100MB, restart: 200MB } }');
  const near = workerOf({ rssBytes: 150 * MB });
  const look = async (...workers: WorkerState[]) => {
    witness.look([app], workersOf(...workers));
    await turn();
    return asked.splice(0);
  };
  t.strictSame(await look(near), [true]);
  t.strictSame(await look(near), []);
  const anew = { ...near, agent: { ...near.agent!, connectedAt: near.agent!.connectedAt + SECOND } };
  t.strictSame(await look(anew), [true], 'it may have stopped by itself, without a warden');
  t.strictSame(await look(anew), []);
  t.strictSame(await look(), [false]);
  t.strictSame(await look(), []);
});

t.test('a process that could not write its profile is not made to take one', async (t) => {
  const asked: [number, boolean][] = [];
  let why: string | null = 'it is of another user';
  const witness = new Witness({
    clock: new FakeClock(), whyNoFiles: async () => why, hub: { profile: async (pid, on) => (asked.push([pid, on]), true) },
  });
  const app = appOf('limits: { rss: { warning: 100MB, restart: 200MB } }');
  const worker = workerOf({ rssBytes: 150 * MB });
  const look = async () => {
    witness.look([app], new Map([[workerKey('shop', '0'), worker]]));
    await turn();
    return witness.of(worker)?.profiledSince;
  };
  const { pid } = worker.agent!;
  for (let round = 0; round < 3; round++) t.equal(await look(), null);
  t.strictSame(asked, [[pid, false]], 'told once to stop, as a warden before this one may have started it');
  why = null;
  t.match(await look(), { rssBytes: 150 * MB }, 'it has become another user since');
  t.strictSame(asked, [[pid, false], [pid, true]]);
});
