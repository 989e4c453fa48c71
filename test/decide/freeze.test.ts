/** From the two clocks to the verdict: what looks like a freeze and is none, and what is one. */
import t from 'tap';
import type { AgentReport } from '../../src/observe/hub.js';
import type { Signs } from '../../src/observe/signs.js';
import { Standstills } from '../../src/observe/standstill.js';
import { track, type WorkerState } from '../../src/observe/tracker.js';
import { Vigil } from '../../src/observe/vigil.js';
import { guard, type GuardState } from '../../src/decide/guard.js';
import { measure } from '../../src/decide/measure.js';
import { notBreaching } from '../../src/decide/policy.js';
import { HOUR, NOW, SECOND, appOf, workerOf } from './support.js';

const APP = appOf('limits: { freeze: { critical: 5s, restart: 15s } }');
const NOTHING: Signs = { stoppedBy: null, debuggerAttached: false, majorFaults: 0, memoryPressure: 0 };

/** A warden that looks every 5 s at one worker; an agent that beats every second, but while it is frozen. */
class Machine {
  wallMs = NOW;
  at = 0;
  signs = NOTHING;
  frozen = false;
  worker: WorkerState = workerOf();
  /** When the guard has found a breach of the restart limit, in seconds of the clock that never jumps. */
  readonly breaches: number[] = [];
  readonly #clock = { now: () => this.wallMs, monotonic: () => this.at, sleep: async () => {} };
  readonly #log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  readonly #vigil = new Vigil(this.#clock, this.#log);
  #agent: AgentReport = { ...workerOf().agent!, connectedAt: 0, heartbeatAt: 0 };
  #guard: GuardState = new Map();
  readonly #standstills = new Standstills({
    hub: { report: () => this.#agent },
    vigil: this.#vigil,
    readSigns: async () => this.signs,
    clock: this.#clock,
  });

  /** The clocks go on, and nothing else happens. */
  skip(seconds: number, { wall = seconds } = {}): void {
    this.at += seconds * SECOND;
    this.wallMs += wall * SECOND;
  }

  async run(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      for (const half of [0.5, 0.5]) {
        this.skip(half);
        this.#vigil.blindUntil();
      }
      if (!this.frozen) this.#agent = { ...this.#agent, heartbeatAt: this.at };
      if ((this.at / SECOND) % 5 === 0) await this.judge();
    }
  }

  async judge(): Promise<number> {
    await this.#standstills.look([this.#agent.pid]);
    const { reading } = workerOf();
    const place = { app: 'shop', worker: '0', supervisor: 'pm2', state: 'running' } as const;
    const observation = { ...place, reading, agents: [this.#agent] };
    const standstillOf = (agent: AgentReport) => this.#standstills.of(agent);
    const workers = track(new Map(), [observation], { nowMs: this.wallMs, now: this.at, standstillOf });
    this.worker = [...workers.values()][0]!;
    const { state, breaches } = guard(this.#guard, workers, [APP], this.at);
    this.#guard = state;
    if (breaches.length > 0) this.breaches.push(this.at / SECOND);
    return measure(this.worker, 'freeze', 'tree')! / SECOND;
  }

  why(): string | null {
    return notBreaching('freeze', APP, this.worker);
  }
}

t.test('a freeze is one, 15 s after the last heartbeat', async (t) => {
  const machine = new Machine();
  await machine.run(10);
  machine.frozen = true;
  await machine.run(20);
  t.strictSame(machine.breaches, [25, 30]);
  t.equal(machine.why(), null);
});

t.test('a machine that was suspended for an hour', async (t) => {
  const machine = new Machine();
  await machine.run(12);
  machine.skip(0.1, { wall: 3600 });
  t.ok((await machine.judge()) < 1, 'the moment it wakes');
  machine.at = Math.round(machine.at / SECOND) * SECOND;
  await machine.run(30);
  t.strictSame(machine.breaches, []);
});

t.test('a clock that counts the suspended time as well, as on macOS', async (t) => {
  const machine = new Machine();
  await machine.run(12);
  machine.skip(3600);
  t.equal(await machine.judge(), 0);
  t.match(machine.why(), /but heapwarden itself stood still, or the clock jumped, until 0\.0 s ago$/);
  await machine.run(30);
  t.strictSame(machine.breaches, []);
});

t.test('a clock that is set by an hour, either way', async (t) => {
  for (const jumpMs of [HOUR, -HOUR]) {
    const machine = new Machine();
    await machine.run(12);
    machine.wallMs += jumpMs;
    t.equal(await machine.judge(), 0);
    await machine.run(30);
    t.strictSame(machine.breaches, []);
    machine.frozen = true;
    await machine.run(20);
    t.strictSame(machine.breaches, [60], 'and a freeze is one');
    machine.wallMs += jumpMs;
    await machine.run(30);
    t.strictSame(machine.breaches, [60, 80, 85, 90], 'one that a jump interrupts is one 17 s later');
  }
});

t.test('a warden that was starved for 20 s', async (t) => {
  const machine = new Machine();
  await machine.run(12);
  machine.skip(20);
  t.equal(await machine.judge(), 0, 'judged before any heartbeat is read');
  machine.frozen = true;
  await machine.run(16);
  t.strictSame(machine.breaches, [], 'whoever is silent gets its 15 s, and 2 s to be heard');
  t.match(machine.why(), /^its event loop does not turn, but heapwarden itself stood still.* until 13 s ago$/);
  await machine.run(4);
  t.strictSame(machine.breaches, [50], 'and no more');
});

t.test('a process that is stopped, debugged or swapped out', async (t) => {
  const cases: [Partial<Signs>, RegExp][] = [
    [{ stoppedBy: 'signal' }, /the process is stopped by a signal/],
    [{ stoppedBy: 'tracer' }, /the process is stopped by a tracer/],
    [{ debuggerAttached: true }, /a debugger is attached/],
    [{ memoryPressure: 0.5 }, /the machine is swapping/],
  ];
  for (const [signs, why] of cases) {
    const machine = new Machine();
    await machine.run(10);
    machine.frozen = true;
    machine.signs = { ...NOTHING, ...signs };
    await machine.run(100);
    t.strictSame(machine.breaches, []);
    t.match(machine.why(), why);
    machine.signs = NOTHING;
    await machine.run(20);
    t.strictSame(machine.breaches, [130], 'from then on it counts');
  }
});
