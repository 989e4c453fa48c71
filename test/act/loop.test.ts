import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { AppNotes } from '../../src/act/app-notes.js';
import { ControlLoop } from '../../src/act/loop.js';
import { Schedules } from '../../src/act/schedules.js';
import { WaitingAsks } from '../../src/act/waiting-asks.js';
import type { Ask, Refusal } from '../../src/decide/decision.js';
import type { Config } from '../../src/config/schema.js';
import type { Workers } from '../../src/observe/tracker.js';
import { HOUR, MB, MINUTE, NOW, SECOND, configOf } from '../decide/support.js';
import { World } from './support.js';

const configWith = (top: string, app = 'limits: { rss: { warning: 300MB, restart: 500MB, for: 10s } }'): Config =>
  configOf(`${top}\napps: [{ name: shop, supervisor: { pm2: shop }, ${app} }]`);

/** A loop that is turned by hand; asks are as `shop/0 rss guard`. */
class Fixture {
  readonly world = new World();
  readonly asks: string[] = [];
  readonly loop: ControlLoop;
  readonly busy = new Set<string>();
  readonly waiting = new WaitingAsks(this.world.history);
  readonly rounds: Workers[] = [];
  /** By worker. */
  refusals: Record<string, Refusal> = {};
  onAsk: (ask: Ask) => void | Promise<void> = () => {};

  constructor(public config: Config) {
    this.loop = new ControlLoop({
      config: () => this.config,
      observer: this.world,
      restarter: {
        ask: async (ask) => {
          this.asks.push(`${ask.app}/${ask.worker} ${ask.reason} ${ask.origin}`);
          await this.onAsk(ask);
          const { app, worker, reason } = ask;
          const refusal = this.refusals[`${app}/${worker}`];
          if (refusal) return { action: 'refuse', reason: refusal, sentence: '', app, worker, incident: 'i1' };
          return { action: 'restart', reason, sentence: '', app, worker, incident: 'i1' };
        },
        isBusy: (app, worker) => this.busy.has(`${app}/${worker}`),
      },
      schedules: new Schedules(new AppNotes(this.world.history, { note: async () => {} }), this.world.history, this.world.clock),
      witness: { look: () => {} },
      deaths: { look: async () => {} },
      collections: { look: () => {} },
      aftercare: { look: async () => {} },
      attacher: { look: () => {} },
      waiting: this.waiting,
      series: { add: (workers) => void this.rounds.push(workers) },
      days: { look: () => {} },
      onRound: () => {},
      clock: this.world.clock,
      log: this.world.log,
    });
  }

  /** Turns the loop at this time, and returns what it asked for. */
  async turnAt(ms: number): Promise<string[]> {
    this.world.clock.nowMs = ms;
    this.asks.length = 0;
    await this.loop.turn();
    return [...this.asks];
  }
}

/** What happens to a worker that stays above its limit. */
async function asksOf(trigger: string): Promise<Record<string, string[]>> {
  const fixture = new Fixture(configWith(trigger));
  fixture.world.put({ rssBytes: 600 * MB });
  const asks: Record<string, string[]> = {};
  for (const seconds of [0, 9, 10, 15, 129, 130]) asks[seconds] = await fixture.turnAt(NOW + seconds * SECOND);
  return asks;
}

const ASKED = ['shop/0 rss guard'];

t.test('each round is told to the series', async (t) => {
  const fixture = new Fixture(configWith('trigger: embedded'));
  fixture.world.put({ rssBytes: 200 * MB });
  await fixture.turnAt(NOW);
  await fixture.turnAt(NOW + SECOND);
  t.strictSame(fixture.rounds.map((workers) => workers.size), [1, 1]);
});

t.test('trigger embedded: it asks as soon as the limit was held', async (t) => {
  t.strictSame(await asksOf('trigger: embedded'), { 0: [], 9: [], 10: ASKED, 15: ASKED, 129: ASKED, 130: ASKED });
});

t.test('trigger alertmanager: it never asks', async (t) => {
  t.strictSame(await asksOf('trigger: alertmanager'), { 0: [], 9: [], 10: [], 15: [], 129: [], 130: [] });
});

t.test('trigger both: it asks where no alert came in fallback_after', async (t) => {
  const both = { 0: [], 9: [], 10: [], 15: [] };
  t.strictSame(await asksOf('trigger: both'), { ...both, 129: [], 130: ASKED });
  t.strictSame(await asksOf('trigger: both\nfallback_after: 5s'), { ...both, 15: ASKED, 129: ASKED, 130: ASKED });
});

t.test('trigger both: an alert that came and waits is the one that asks, until it is over', async (t) => {
  const fixture = new Fixture(configWith('trigger: both', 'limits: { rss: { restart: 500MB, for: 10s }, uptime: { restart: 30m } }'));
  const alert = { fingerprint: 'f1', startsAtMs: NOW + 10 * SECOND, endsAtMs: null };
  const ask = { app: 'shop', worker: '0', reason: 'rss', origin: 'alertmanager', force: false, dryRun: false } as const;
  fixture.world.put({ rssBytes: 600 * MB });
  await fixture.turnAt(NOW);
  fixture.waiting.answered({ ...ask, alert, dueAtMs: null }, { action: 'refuse', reason: 'cooldown', incident: null });
  fixture.refusals['shop/0'] = 'cooldown';
  const byUptime = 'shop/0 uptime guard'; // of which no alert has come
  t.strictSame(await fixture.turnAt(NOW + 130 * SECOND), [byUptime, 'shop/0 rss alertmanager']);
  fixture.waiting.resolved(alert); // as when Prometheus is away, and Alertmanager lets its alert expire
  t.strictSame(await fixture.turnAt(NOW + 135 * SECOND), ['shop/0 rss guard', byUptime]);
});

t.test('what is being restarted is not asked for', async (t) => {
  const fixture = new Fixture(configWith('trigger: embedded'));
  fixture.world.put({ rssBytes: 600 * MB });
  fixture.world.put({ rssBytes: 600 * MB, worker: '1' });
  fixture.busy.add('shop/0');
  await fixture.turnAt(NOW);
  t.strictSame(await fixture.turnAt(NOW + 10 * SECOND), ['shop/1 rss guard']);
});

t.test('one that takes long to look at, being frozen, holds up no other', async (t) => {
  const fixture = new Fixture(configWith('', 'limits: { rss: { restart: 500MB, for: 0s }, uptime: { restart: 30m } }'));
  fixture.world.put({ rssBytes: 600 * MB });
  fixture.world.put({ rssBytes: 600 * MB, worker: '1' });
  const under: string[] = [];
  let seen = () => {};
  const second = new Promise<void>((resolve) => (seen = resolve));
  fixture.onAsk = async ({ worker, reason }) => {
    under.push(`${worker} ${reason}`);
    if (worker === '1') seen();
    else await second;
  };
  await fixture.turnAt(NOW);
  t.strictSame(under.slice(0, 2), ['0 rss', '1 rss'], 'those of one worker come one after the other');
  t.strictSame(under.toSorted(), ['0 rss', '0 uptime', '1 rss', '1 uptime']);
});

t.test('a level is told once, in words', async (t) => {
  const fixture = new Fixture(configWith('trigger: alertmanager'));
  const { world } = fixture;
  const story: [seconds: number, megabytes: number][] = [
    [0, 300], [10, 310], [15, 320], [20, 600], [30, 610], [35, 310], [40, 100],
  ];
  for (const [seconds, megabytes] of story) {
    world.put({ rssBytes: megabytes * MB });
    await fixture.turnAt(NOW + seconds * SECOND);
  }
  t.strictSame(world.log.entries.map(({ level, message }) => `${level}: ${message}`), [
    'warn: shop/0: memory 310 MB, at or above its warning limit of 300 MB for 10s',
    'warn: shop/0: memory 610 MB, at or above its restart limit of 500 MB for 10s',
    'info: shop/0: memory 310 MB, back to its warning level',
    'info: shop/0: memory 100 MB, back below its limits',
  ]);
  t.strictSame(world.log.entries[0]!.fields, { app: 'shop', worker: '0', resource: 'rss', limit_level: 'warning' });
  t.equal(world.log.entries[3]!.fields['limit_level'], 'normal');
});

t.test('a freeze is told without a hold', async (t) => {
  const fixture = new Fixture(configWith('', 'limits: { freeze: { restart: 15s } }'));
  fixture.world.put({ heartbeatAtMs: NOW - 20 * SECOND });
  t.strictSame(await fixture.turnAt(NOW), ['shop/0 freeze guard']);
  t.strictSame(fixture.world.log.at('warn'), [
    'shop/0: time without an event-loop turn 20 s, at or above its restart limit of 15 s',
  ]);
});

t.test('a schedule asks for all that runs, once, whatever the trigger', async (t) => {
  const six = new Date(2026, 2, 10, 6).getTime();
  for (const trigger of ['embedded', 'alertmanager', 'both']) {
    const fixture = new Fixture(configWith(`trigger: ${trigger}`, 'schedule: "0 6 * * *"'));
    fixture.world.put({ worker: '0' });
    fixture.world.put({ worker: '1' });
    fixture.world.put({ worker: '2', pid: null, state: 'stopped' });
    fixture.world.put({ app: 'other' });
    t.strictSame(await fixture.turnAt(six - SECOND), [], 'a schedule that is new counts from now on');
    t.strictSame(await fixture.turnAt(six - 1), []);
    t.strictSame(await fixture.turnAt(six + 4 * SECOND), ['shop/0 schedule schedule', 'shop/1 schedule schedule']);
    t.strictSame(await fixture.turnAt(six + 9 * SECOND), []);
    t.strictSame(await fixture.turnAt(six + 23 * HOUR), []);
    t.equal((await fixture.turnAt(six + 24 * HOUR)).length, 2);
  }
});

t.test('runs a round an interval, outlives a round that fails, and closes at once', async (t) => {
  const fixture = new Fixture(configWith('sample_interval: 5s'));
  const { world, loop } = fixture;
  const starts: number[] = [];
  world.observe = async () => {
    starts.push(world.clock.nowMs - NOW);
    world.clock.nowMs += SECOND; // what a round takes
    if (starts.length === 2) throw new Error('the sky is falling');
    return world.workers;
  };
  loop.start();
  while (starts.length < 4) await turn();
  await loop.close();
  const rounds = starts.length;
  t.strictSame(starts.slice(0, 4), [0, 5 * SECOND, 10 * SECOND, 15 * SECOND]);
  t.strictSame(world.log.at('error'), ['a round was cut short: the sky is falling']);
  await turn();
  t.equal(starts.length, rounds, 'no round after the close');
});

t.test('a loop that closes asks for nothing more', async (t) => {
  const fixture = new Fixture(configWith('', 'limits: { rss: { restart: 500MB, for: 0s } }'));
  fixture.world.put({ rssBytes: 600 * MB });
  fixture.world.put({ rssBytes: 600 * MB, worker: '1' });
  fixture.onAsk = () => void fixture.loop.close();
  t.strictSame(await fixture.turnAt(NOW + MINUTE), ['shop/0 rss guard']);
});

t.test('what falls due while it closes is left to the next warden', async (t) => {
  const six = new Date(2026, 2, 10, 6).getTime();
  const fixture = new Fixture(configWith('', 'schedule: "0 6 * * *"'));
  fixture.world.put({ startedAtMs: six - HOUR });
  await fixture.turnAt(six - SECOND);
  await fixture.loop.close();
  t.strictSame(await fixture.turnAt(six + SECOND), []);
  t.match(fixture.world.history.stateOf('shop').schedule, { dueAtMs: null }, 'nothing says that it has fallen due');
});

t.test('what was refused only for now is asked again each round', async (t) => {
  const fixture = new Fixture(configWith('trigger: alertmanager'));
  const alert = { fingerprint: 'f1', startsAtMs: NOW, endsAtMs: null };
  const ask = { app: 'shop', worker: '0', reason: 'rss', origin: 'alertmanager', force: false, dryRun: false } as const;
  fixture.world.put({ rssBytes: 600 * MB });
  fixture.waiting.answered({ ...ask, alert, dueAtMs: null }, { action: 'refuse', reason: 'startup_grace', incident: null });
  fixture.refusals['shop/0'] = 'cooldown';
  t.strictSame(await fixture.turnAt(NOW), ['shop/0 rss alertmanager']);
  fixture.busy.add('shop/0');
  t.strictSame(await fixture.turnAt(NOW + 5 * SECOND), [], 'not while it is being restarted');
  fixture.busy.clear();
  delete fixture.refusals['shop/0'];
  t.strictSame(await fixture.turnAt(NOW + 10 * SECOND), ['shop/0 rss alertmanager']);
  t.strictSame(await fixture.turnAt(NOW + 15 * SECOND), [], 'it has had its restart');
});

t.test('a schedule that finds a gate shut waits for it', async (t) => {
  const six = new Date(2026, 2, 10, 6).getTime();
  const fixture = new Fixture(configWith('', 'schedule: "0 6 * * *"'));
  fixture.world.put({ worker: '0' });
  fixture.world.put({ worker: '1' });
  fixture.refusals = { 'shop/0': 'budget', 'shop/1': 'not_breaching' };
  await fixture.turnAt(six - SECOND);
  t.equal((await fixture.turnAt(six)).length, 2);
  t.strictSame(await fixture.turnAt(six + HOUR), ['shop/0 schedule schedule']);
});

t.test('a schedule that waits ends with its schedule, and starts nothing that has stopped', async (t) => {
  const six = new Date(2026, 2, 10, 6).getTime();
  for (const after of ['dry_run: false', 'schedule: "0 7 * * *"']) {
    const fixture = new Fixture(configWith('', 'schedule: "0 6 * * *"'));
    fixture.world.put({});
    fixture.world.put({ worker: '1' });
    await fixture.turnAt(six - SECOND);
    fixture.refusals = { 'shop/0': 'outside_window', 'shop/1': 'outside_window' };
    t.equal((await fixture.turnAt(six)).length, 2);
    fixture.world.put({ pid: null, state: 'stopped' });
    t.strictSame(await fixture.turnAt(six + MINUTE), ['shop/1 schedule schedule']);
    fixture.world.put({});
    t.equal((await fixture.turnAt(six + 2 * MINUTE)).length, 2, 'it is back, whoever started it');
    fixture.config = configWith('', after);
    t.strictSame(await fixture.turnAt(six + 3 * MINUTE), [], after);
  }
});

t.test('a round that breaks off loses no schedule', async (t) => {
  const six = new Date(2026, 2, 10, 6).getTime();
  const fixture = new Fixture(configWith('', 'schedule: "0 6 * * *"'));
  fixture.world.put({});
  fixture.world.put({ worker: '1' });
  await fixture.turnAt(six - SECOND);
  fixture.onAsk = () => {
    throw new Error('the journal cannot be written');
  };
  await t.rejects(fixture.turnAt(six), { message: 'the journal cannot be written' });
  fixture.onAsk = () => {};
  t.strictSame(await fixture.turnAt(six + SECOND), ['shop/0 schedule schedule', 'shop/1 schedule schedule']);
});
