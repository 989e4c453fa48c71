import t from 'tap';
import { systemClock } from '../../src/clock.js';
import { Vigil, blindSpell } from '../../src/observe/vigil.js';
import { waitFor } from '../integration/wait.js';
import { MemoryLog } from './support.js';

const SECOND = 1000;
const HOUR = 3600 * SECOND;

/** Two clocks that go together but for what a test does to them. */
class Clocks {
  wallMs = 1_700_000_000_000;
  at = 5000;
  now = () => this.wallMs;
  monotonic = () => this.at;
  sleep = async () => {};

  pass(ms: number, jumpMs = 0): void {
    this.at += ms;
    this.wallMs += ms + jumpMs;
  }
}

function watching() {
  const [clocks, log] = [new Clocks(), new MemoryLog()];
  const vigil = new Vigil(clocks, log);
  const said = () => log.entries.map(({ level, message }) => `${level}: ${message.split(';')[0]}`);
  return { clocks, vigil, said };
}

t.test('a loop that is in time sees and hears', async (t) => {
  const { clocks, vigil, said } = watching();
  for (const ms of [500, 501, 0, 3, 999, 1000]) {
    clocks.pass(ms, ms > 900 ? 499 : -1);
    t.equal(vigil.blindUntil(), -Infinity, `${ms} ms later`);
  }
  t.strictSame(said(), []);
});

t.test('a loop that is late was blind until now', async (t) => {
  const { clocks, vigil, said } = watching();
  clocks.pass(1001);
  t.equal(vigil.blindUntil(), 6001);
  clocks.pass(400);
  t.equal(vigil.blindUntil(), 6001, 'and sees again');
  clocks.pass(20 * SECOND);
  t.equal(vigil.blindUntil(), 26_401);
  t.strictSame(said(), [
    'debug: heapwarden itself stood still for 0.5 s (short of CPU, stopped, or the machine was paused)',
    'warn: heapwarden itself stood still for 20 s (short of CPU, stopped, or the machine was paused)',
  ]);
});

t.test('clocks that run apart', async (t) => {
  const { clocks, vigil, said } = watching();
  clocks.pass(500, HOUR);
  t.equal(vigil.blindUntil(), 5500, 'a suspend, or the clock was set');
  clocks.pass(500, -HOUR);
  t.equal(vigil.blindUntil(), 6000);
  clocks.pass(500, -499);
  t.equal(vigil.blindUntil(), 6000, 'two readings that lie a little apart are no jump');
  t.strictSame(said(), [
    'warn: the clock jumped 1h ahead (it was set, or the machine was suspended)',
    'warn: the clock jumped 1h back (it was set, or the machine was suspended)',
  ]);
});

t.test('slewing at full speed is no jump, however long', async (t) => {
  const { clocks, vigil } = watching();
  for (let i = 0; i < 10_000; i++) {
    clocks.pass(500, 0.25);
    vigil.blindUntil();
  }
  t.equal(vigil.blindUntil(), -Infinity);
});

t.test('the two together', async (t) => {
  const zero = { wallMs: 0, monotonic: 0 };
  t.strictSame(blindSpell(zero, { wallMs: 25_000, monotonic: 20_000 }), { lateMs: 19_500, jumpMs: 5000 });
  t.equal(blindSpell(zero, zero), null);
});

t.test('by itself, on the real clock', async (t) => {
  const log = new MemoryLog();
  const vigil = new Vigil(systemClock, log);
  const begun = performance.now();
  vigil.start();
  t.teardown(() => vigil.close());
  const end = performance.now() + 1500;
  while (performance.now() < end); // nobody else may run meanwhile
  await waitFor('its own timer to see it, without being asked', () => log.entries.length > 0);
  const seconds = Number(/^heapwarden itself stood still for ([\d.]+) s/.exec(log.entries[0]!.message)?.[1]);
  const passed = (performance.now() - begun) / 1000;
  t.ok(seconds >= 1 && seconds < passed - 0.4, `${seconds} s of ${passed} s: half a second of it was no delay`);
  t.ok(vigil.blindUntil() >= end, 'until the end of it');
});
