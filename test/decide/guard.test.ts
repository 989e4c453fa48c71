import t from 'tap';
import type { AppConfig } from '../../src/config/schema.js';
import { guard, type GuardState } from '../../src/decide/guard.js';
import type { WorkerState } from '../../src/observe/tracker.js';
import { HOUR, MB, NOW, SECOND, appOf, workerOf, workersOf, type Made } from './support.js';

const APP = appOf(
  'limits: { rss: { warning: 300MB, critical: 400MB, restart: 500MB, for: 30s }, ' +
    'heap: { restart: 90%, for: 10s }, freeze: { critical: 5s, restart: 15s }, uptime: { restart: 6h } }',
);

/** One round after the other, as the loop makes them. */
class Watch {
  #state: GuardState = new Map();

  constructor(readonly apps: AppConfig[] = [APP]) {}

  /** What round `atSeconds` finds: level changes as `resource: from > to`, breaches as `resource since S`. */
  round(atSeconds: number, ...made: Made[]): string[] {
    const nowMs = NOW + atSeconds * SECOND;
    const workers = workersOf(...made.map((one): WorkerState => workerOf({ observedAtMs: nowMs, ...one })));
    const { state, changes, breaches } = guard(this.#state, workers, this.apps, nowMs);
    this.#state = state;
    return [
      ...changes.map(({ worker, resource, from, to }) => `${worker.worker} ${resource}: ${from} > ${to}`),
      ...breaches.map(({ worker, resource, since }) => {
        return `${worker.worker} ${resource} since ${(since - NOW) / SECOND}`;
      }),
    ];
  }
}

const rss = (megabytes: number, more: Made = {}): Made => ({ rssBytes: megabytes * MB, ...more });

t.test('a level counts when it was held for its `for`, to the second', async (t) => {
  const watch = new Watch();
  t.strictSame(watch.round(0, rss(500)), []);
  t.strictSame(watch.round(29.999, rss(500)), []);
  t.strictSame(watch.round(30, rss(500)), ['0 rss: null > restart', '0 rss since 0']);
  t.strictSame(watch.round(35, rss(500)), ['0 rss since 0'], 'told once, asked again and again');
});

t.test('a dip begins it anew', async (t) => {
  const watch = new Watch();
  watch.round(0, rss(500));
  t.strictSame(watch.round(25, rss(499.999)), []);
  t.strictSame(watch.round(30, rss(500)), ['0 rss: null > critical'], 'the lower level was held all the time');
  t.strictSame(watch.round(59, rss(500)), []);
  t.strictSame(watch.round(60, rss(500)), ['0 rss: critical > restart', '0 rss since 30']);
});

t.test('so does a new process, with the same pid or not, and a process that is missing', async (t) => {
  for (const [what, made] of [['another pid', { pid: 101 }], ['a reused pid', { start: 2 }]] as const) {
    const watch = new Watch();
    watch.round(0, rss(600));
    t.strictSame(watch.round(30, rss(600, made)), [], what);
    t.strictSame(watch.round(60, rss(600, made)), ['0 rss: null > restart', '0 rss since 30'], what);
  }
  const watch = new Watch();
  watch.round(0, rss(600));
  t.strictSame(watch.round(15, { pid: null }), []);
  t.strictSame(watch.round(30, rss(600)), []);
});

t.test('levels are told as they change, up and down', async (t) => {
  const watch = new Watch();
  watch.round(0, rss(300));
  t.strictSame(watch.round(30, rss(300)), ['0 rss: null > warning']);
  watch.round(40, rss(450));
  t.strictSame(watch.round(70, rss(450)), ['0 rss: warning > critical']);
  t.strictSame(watch.round(80, rss(350)), ['0 rss: critical > warning'], 'down at once');
  t.strictSame(watch.round(90, rss(100)), ['0 rss: warning > null']);
  t.strictSame(watch.round(100, rss(100)), []);
});

t.test('each resource of each worker on its own', async (t) => {
  const watch = new Watch();
  const full = { heap_used: 90 * MB };
  watch.round(0, rss(500, { worker: '0' }), { worker: '1', stats: full });
  t.strictSame(watch.round(10, rss(500, { worker: '0' }), { worker: '1', stats: full }), [
    '1 heap: null > restart',
    '1 heap since 0',
  ]);
  t.strictSame(watch.round(30, rss(500, { worker: '0', stats: full }), { worker: '1' }), [
    '0 rss: null > restart',
    '1 heap: restart > null',
    '0 rss since 0',
  ]);
  t.strictSame(watch.round(40, rss(500, { worker: '0', stats: full }), { worker: '1' }), [
    '0 heap: null > restart',
    '0 rss since 0',
    '0 heap since 30',
  ]);
});

t.test('a freeze and an age are durations already, and count at once', async (t) => {
  const watch = new Watch();
  const frozenFor = (seconds: number): Made => ({ heartbeatAtMs: NOW - seconds * SECOND, observedAtMs: NOW });
  t.strictSame(watch.round(0, frozenFor(4.999)), []);
  t.strictSame(watch.round(0, frozenFor(5)), ['0 freeze: null > critical']);
  t.strictSame(watch.round(0, frozenFor(15)), ['0 freeze: critical > restart', '0 freeze since 0']);
  const old = { startedAtMs: NOW - 6 * HOUR, observedAtMs: NOW };
  t.strictSame(new Watch().round(0, old), ['0 uptime: null > restart', '0 uptime since 0']);
});

t.test('an agent that has gone leaves nothing to judge by', async (t) => {
  const watch = new Watch();
  watch.round(0, { stats: { heap_used: 95 * MB } });
  t.strictSame(watch.round(10, { stats: null }), []);
  t.strictSame(watch.round(20, { stats: { heap_used: 95 * MB } }), [], 'it is held anew');
});

t.test('memory means what the config says', async (t) => {
  const alone = appOf('memory: process, limits: { rss: { restart: 500MB, for: 0s } }');
  const tree = appOf('limits: { rss: { restart: 500MB, for: 0s } }');
  const made = rss(300, { childrenRssBytes: 300 * MB });
  t.strictSame(new Watch([alone]).round(0, made), []);
  t.strictSame(new Watch([tree]).round(0, made), ['0 rss: null > restart', '0 rss since 0']);
});

t.test('without a config or a supervisor there is nothing to guard', async (t) => {
  t.strictSame(new Watch([]).round(60, rss(9000)), []);
  t.strictSame(new Watch().round(60, rss(9000, { app: 'other' })), []);
  t.strictSame(new Watch().round(60, { supervisor: 'none', heartbeatAtMs: 0 }), []);
});

t.test('an agent that is there and silent neither ends what was held nor has it told', async (t) => {
  const full = workerOf({ stats: { heap_used: 95 * MB } });
  const silent: WorkerState = { ...full, agent: { ...full.agent!, stats: null } };
  let state: GuardState = new Map();
  const round = (atSeconds: number, worker: WorkerState) => {
    const verdict = guard(state, workersOf(worker), [APP], NOW + atSeconds * SECOND);
    state = verdict.state;
    return { told: verdict.changes.length, breaches: verdict.breaches.map(({ resource, since }) => [resource, since - NOW]) };
  };
  t.strictSame(round(0, full), { told: 0, breaches: [] });
  t.strictSame(round(5, silent), { told: 0, breaches: [] });
  t.strictSame(round(10, full), { told: 1, breaches: [['heap', 0]] }, 'as in a storm of garbage collections');
  t.strictSame(round(15, silent), { told: 0, breaches: [] }, 'nothing is asked for by what is not known');
  t.strictSame(round(20, full), { told: 0, breaches: [['heap', 0]] });
});

t.test('a limit that was taken away and comes back counts anew', async (t) => {
  const watch = new Watch();
  watch.round(0, rss(500));
  watch.apps[0] = appOf('limits: { freeze: { restart: 15s } }');
  watch.round(10, rss(500));
  watch.apps[0] = APP;
  t.strictSame(watch.round(60, rss(500)), []);
});
