import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Outlooks } from '../../src/act/outlooks.js';
import type { AppConfig } from '../../src/config/schema.js';
import { outlookOf } from '../../src/decide/forecast.js';
import { LEAK_DEFAULTS } from '../../src/decide/leak.js';
import { SeriesBook } from '../../src/observe/series.js';
import type { WorkerState } from '../../src/observe/tracker.js';
import { MB, MINUTE, NOW, SECOND, appOf, workerOf, workersOf } from '../decide/support.js';

const SLICE = 30 * SECOND;
const LIMITED = appOf('limits: { rss: { restart: 400MB } }');

/** A worker that grows by a megabyte a minute from 100 MB on, without an agent, and what is known of it. */
class World {
  app: AppConfig | null = LIMITED;
  readonly book = new SeriesBook({ sliceMs: SLICE, startupMs: 0 });
  readonly outlooks = new Outlooks({ series: this.book, app: () => this.app, settings: LEAK_DEFAULTS });
  workers: WorkerState[] = [];
  #at = 0;

  /** Samples every 5 s for so long. */
  live(forMs: number, { names = ['0'], jumpBytes = 0 } = {}): void {
    for (const end = this.#at + forMs; this.#at < end; this.#at += 5 * SECOND) {
      const rssBytes = 100 * MB + (this.#at / MINUTE) * MB + jumpBytes;
      const made = { stats: null, rssBytes, startedAtMs: NOW, observedAtMs: NOW + this.#at };
      this.workers = names.map((worker, i) => workerOf({ ...made, worker, pid: 100 + i }));
      this.book.add(workersOf(...this.workers));
    }
  }

  async look(): Promise<void> {
    this.outlooks.look(this.workers);
    await this.outlooks.settled();
  }

  get known() {
    return this.outlooks.of(this.workers[0]!);
  }

  /** What it comes to when judged now. */
  get truth() {
    return outlookOf(this.book.of(this.workers[0]!)!, this.app, LEAK_DEFAULTS);
  }
}

t.test('what is known is what was judged when the last slice ended', async (t) => {
  const world = new World();
  world.live(200 * MINUTE + 5 * SECOND);
  await world.look();
  const judged = world.known!;
  t.ok(judged.leak && judged.forecastMs! > 60 * MINUTE, 'it leaks');
  t.strictSame(judged, world.truth);
  world.live(5 * SECOND);
  await world.look();
  t.strictSame(world.known, { ...judged, forecastMs: judged.forecastMs! - 5 * SECOND }, 'within a slice only time passes');
  world.live(SLICE);
  const { forecastMs } = world.known!;
  await world.look();
  t.strictSame(world.known, world.truth, 'and with the next one it is judged anew');
  t.ok(Math.abs(world.known!.forecastMs! - forecastMs!) < 2 * MINUTE, 'which comes to much the same');
});

t.test('at the limit the forecast is 0 at once', async (t) => {
  const world = new World();
  world.live(200 * MINUTE);
  await world.look();
  world.live(5 * SECOND, { jumpBytes: 300 * MB });
  t.equal(world.known!.forecastMs, 0);
  t.equal(world.truth.forecastMs, 0);
  world.app = appOf('limits: { rss: { restart: 400MB } }, memory: process');
  await world.look();
  t.equal(world.known!.forecastMs, world.truth.forecastMs);
});

t.test('nobody waits for the first look, nor does a restart take an old one', async (t) => {
  const world = new World();
  world.live(200 * MINUTE);
  t.strictSame(world.known, world.truth, 'asked before any look');
  world.live(SLICE - 5 * SECOND);
  t.strictSame(world.outlooks.now(world.workers[0]!), world.truth);
});

t.test('another config, another outlook, with the next look', async (t) => {
  const world = new World();
  world.live(200 * MINUTE);
  await world.look();
  world.app = appOf('limits: { rss: { restart: 800MB } }');
  await world.look();
  t.equal(world.known!.limitBytes, 800 * MB);
  t.strictSame(world.known, world.truth);
  world.app = null;
  await world.look();
  t.equal(world.known!.forecastMs, null);
});

t.test('of a worker without a process there is nothing to know', async (t) => {
  const world = new World();
  world.workers = [workerOf({ pid: null })];
  await world.look();
  t.equal(world.known, null);
  t.equal(world.outlooks.now(world.workers[0]!), null);
});

t.test('a fleet is judged in slices, by one look at a time', async (t) => {
  const world = new World();
  world.live(200 * MINUTE, { names: Array.from({ length: 100 }, (_, i) => String(i)) });
  const seen = { turns: 0, done: false };
  const others = (async () => {
    for (; !seen.done; seen.turns++) await turn();
  })();
  world.outlooks.look(world.workers);
  world.outlooks.look([]);
  await world.outlooks.settled();
  seen.done = true;
  await others;
  t.ok(seen.turns >= 2, `${seen.turns} turns of the loop`);
  for (const worker of world.workers) {
    t.strictSame(world.outlooks.of(worker), outlookOf(world.book.of(worker)!, LIMITED, LEAK_DEFAULTS));
  }
});
