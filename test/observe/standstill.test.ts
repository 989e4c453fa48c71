import t from 'tap';
import type { AgentReport } from '../../src/observe/hub.js';
import type { Signs } from '../../src/observe/signs.js';
import { STANDSTILL_CAUSES, Standstills, describeStandstill } from '../../src/observe/standstill.js';

const NOTHING: Signs = { stoppedBy: null, debuggerAttached: false, majorFaults: 0, memoryPressure: 0 };

/** One process, 7, whose agent was last heard at 0, and what is seen of it. */
class Scene {
  now = 0;
  blindUntil = -Infinity;
  report: AgentReport | null = {
    pid: 7, node: '22.0.0', app: 'shop', connectedAt: 0, heartbeatAt: 0, heartbeatAtMs: 0, inspectorPort: null,
    stats: null, statsAt: null,
  };
  signs: Signs | null = NOTHING;
  read: string[] = [];
  readonly standstills = new Standstills({
    hub: { report: (pid) => (pid === 7 ? this.report : null) },
    vigil: { blindUntil: () => this.blindUntil },
    readSigns: async (pid, port) => {
      this.read.push(`${pid} ${port}`);
      return this.signs;
    },
    clock: { now: () => 0, monotonic: () => this.now, sleep: async () => {} },
  });

  async lookAt(now: number, signs: Partial<Signs> | null = {}) {
    this.now = now;
    this.signs = signs && { ...NOTHING, ...signs };
    await this.standstills.look([7, 8]);
    return this.report && this.standstills.of(this.report);
  }

  beat(): void {
    this.report = { ...this.report!, heartbeatAt: this.now };
  }
}

t.test('nothing is read of who is heard, nor of who has no agent', async (t) => {
  const scene = new Scene();
  t.equal(await scene.lookAt(1499), null);
  t.strictSame(scene.read, []);
  await scene.lookAt(1500);
  t.strictSame(scene.read, ['7 null']);
  scene.report = { ...scene.report!, inspectorPort: 9229 };
  await scene.lookAt(1600);
  t.strictSame(scene.read, ['7 null', '7 9229'], 'with the port that its agent has told');
});

t.test('each reason', async (t) => {
  const cases: [Partial<Signs>, string | null][] = [
    [{}, null],
    [{ stoppedBy: 'signal' }, 'stopped'],
    [{ stoppedBy: 'tracer' }, 'traced'],
    [{ debuggerAttached: true }, 'debugged'],
    [{ debuggerAttached: true, stoppedBy: 'signal' }, 'stopped'],
    [{ memoryPressure: 0.2 }, 'swapping'],
    [{ memoryPressure: 0.199 }, null],
    [{ memoryPressure: null, majorFaults: null }, null],
  ];
  for (const [signs, cause] of cases) {
    const found = await new Scene().lookAt(9000, signs);
    t.strictSame(found, cause && { cause, until: 9000, lasts: true }, JSON.stringify(signs));
  }
});

t.test('faults count by their rate', async (t) => {
  const scene = new Scene();
  const at = async (now: number, majorFaults: number) => (await scene.lookAt(now, { majorFaults }))?.lasts ?? null;
  t.equal(await at(2000, 1_000_000), null, 'a process that has had many is not one that has many now');
  t.equal(await at(2199, 1_000_100), null, 'too soon for a rate');
  t.equal(await at(7000, 1_000_099), null, '19.8 a second');
  t.equal(await at(12_000, 1_000_199), true, '20 a second');
  t.equal(await at(12_100, 1_000_199), true, 'too soon to say that it is over');
  t.equal(await at(17_000, 1_000_200), false, 'over, and remembered');
  t.strictSame(await scene.lookAt(17_000), { cause: 'swapping', until: 12_100, lasts: false });
});

t.test('a reason that is over is remembered as long as the silence lasts', async (t) => {
  const scene = new Scene();
  await scene.lookAt(5000, { stoppedBy: 'signal' });
  t.strictSame(await scene.lookAt(10_000), { cause: 'stopped', until: 5000, lasts: false });
  t.match(await scene.lookAt(15_000, null), { cause: 'stopped', until: 5000 }, 'nothing could be read');
  t.match(await scene.lookAt(20_000, { debuggerAttached: true }), { cause: 'debugged', until: 20_000 });
  scene.beat();
  t.equal(await scene.lookAt(20_500), null);
  t.equal(await scene.lookAt(30_000), null, 'a later silence has reasons of its own');
});

t.test('an agent that has gone leaves nothing behind', async (t) => {
  const scene = new Scene();
  await scene.lookAt(5000, { stoppedBy: 'signal' });
  const { report } = scene;
  scene.report = null;
  await scene.lookAt(6000);
  scene.report = report;
  t.equal(scene.standstills.of(report!), null);
});

t.test('the warden’s own blindness', async (t) => {
  const scene = new Scene();
  scene.blindUntil = 4000;
  t.strictSame(await scene.lookAt(5000), { cause: 'blind', until: 4000, lasts: false });
  t.match(await scene.lookAt(6000, { stoppedBy: 'signal' }), { cause: 'stopped', until: 6000 }, 'the later one counts');
  scene.blindUntil = 7000;
  t.match(await scene.lookAt(8000), { cause: 'blind', until: 7000 });
  scene.beat();
  t.equal(scene.standstills.of(scene.report!), null, 'heard since');
});

t.test('words', (t) => {
  const words = STANDSTILL_CAUSES.map((cause) => describeStandstill({ cause, until: 800, lasts: false }, 2000));
  t.strictSame(words, [
    'the process was stopped by a signal (state T; SIGCONT lets it go on) until 1.2 s ago',
    'the process was stopped by a tracer such as gdb (state t) until 1.2 s ago',
    'a debugger was attached to its inspector until 1.2 s ago',
    'the machine was swapping heavily until 1.2 s ago',
    'heapwarden itself stood still, or the clock jumped, until 1.2 s ago',
  ]);
  const now = describeStandstill({ cause: 'debugged', until: 1, lasts: true }, 2);
  t.equal(now, 'a debugger is attached to its inspector');
  t.end();
});
