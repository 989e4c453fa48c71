import t from 'tap';
import type { AppConfig } from '../../src/config/schema.js';
import type { Attached, AttachRefused } from '../../src/observe/attach.js';
import { Attacher } from '../../src/observe/attacher.js';
import type { AgentReport } from '../../src/observe/hub.js';
import type { Reading } from '../../src/observe/sampler.js';
import { workerKey, type WorkerState } from '../../src/observe/tracker.js';
import { MemoryLog } from './support.js';

const DONE: Attached = { isNew: true, openMs: 20, isClosed: true };
const NOW = 1e12;

class Fixture {
  readonly log = new MemoryLog();
  readonly attached: string[] = [];
  readonly agents = new Set<number>();
  readonly notNode = new Set<number>();
  answer: Attached | AttachRefused = DONE;
  now = 0;
  readonly #attacher = new Attacher({
    hub: { report: (pid) => (this.agents.has(pid) ? ({ pid } as AgentReport) : null) },
    isNode: async (pid) => !this.notNode.has(pid),
    attach: async (pid, app) => {
      this.attached.push(`${app} ${pid}`);
      if ('isNew' in this.answer) this.agents.add(pid);
      return this.answer;
    },
    clock: { now: () => NOW + this.now, monotonic: () => this.now, sleep: async () => {} },
    log: this.log,
  });

  /** One round over a worker's processes: pid and megabytes of each, the root first. Returns who was attached to. */
  async look(tree: [pid: number, mb: number][], runtime = 'inspector', startedAtMs = NOW + 1): Promise<string[]> {
    this.attached.length = 0;
    const usages = tree.map(([pid, mb]) => ({ pid, start: pid, rssBytes: mb * 1e6, cpuSeconds: 0 }));
    const reading = usages[0] ? ({ root: usages[0], tree: usages, startedAtMs } as unknown as Reading) : null;
    const worker = { app: 'shop', worker: '0', supervisor: 'pm2', reading } as unknown as WorkerState;
    const other = { ...worker, app: 'other', supervisor: 'none' } as WorkerState;
    this.#attacher.look([{ name: 'shop', runtime } as AppConfig], new Map([worker, other].map((one) => [workerKey(one.app, '0'), one])));
    // Nothing it waits for takes longer than a turn of the loop.
    await new Promise((resolve) => setTimeout(resolve, 5));
    return [...this.attached];
  }

  said = () => this.log.entries.map(({ level, message }) => `${level} ${message}`);
}

t.test('once for each process: after a restart again', async (t) => {
  const fixture = new Fixture();
  t.strictSame(await fixture.look([[1, 50]], 'agent'), [], 'opt-in');
  t.strictSame(await fixture.look([[1, 50]]), ['shop 1']);
  t.strictSame(await fixture.look([[1, 50]]), []);
  fixture.agents.clear();
  t.strictSame(await fixture.look([[1, 50]]), [], 'its agent reconnects by itself');
  t.strictSame(await fixture.look([]), [], 'between two');
  t.strictSame(await fixture.look([[2, 50]]), ['shop 2']);
  t.strictSame(fixture.said(), [1, 2].map((pid) => `info shop/0: process ${pid} was attached to; its inspector was open for 20 ms`));
});

t.test('to the service: the largest of the tree that is Node', async (t) => {
  const fixture = new Fixture();
  fixture.notNode.add(1).add(3);
  t.strictSame(await fixture.look([[1, 5], [2, 40], [3, 900], [4, 60]]), ['shop 4']);
  t.strictSame(await fixture.look([[1, 5]]), []);
  fixture.notNode.clear();
  t.strictSame(await fixture.look([[1, 5]]), ['shop 1'], 'a shell may become it by exec');
});

t.test('what ran before the warden has time to come back', async (t) => {
  const fixture = new Fixture();
  t.strictSame(await fixture.look([[1, 5]], 'inspector', NOW - 1000), []);
  fixture.now = 13_000;
  t.strictSame(await fixture.look([[1, 5]], 'inspector', NOW - 1000), ['shop 1']);
});

t.test('refused for good: said once, not tried again', async (t) => {
  const fixture = new Fixture();
  fixture.answer = { refusal: 'disabled', why: 'it does not want to' };
  t.strictSame(await fixture.look([[1, 5]]), ['shop 1']);
  t.strictSame(await fixture.look([[1, 5]]), []);
  t.strictSame(fixture.said(), ['warn shop/0: process 1 is measured from outside only: it does not want to']);
  t.strictSame(await fixture.look([[2, 5]]), ['shop 2'], 'the next process is another');
});

t.test('refused for now: tried again, said at most once', async (t) => {
  const fixture = new Fixture();
  for (const refusal of ['too_young', 'busy', 'port_taken', 'port_taken'] as const) {
    fixture.answer = { refusal, why: refusal };
    t.strictSame(await fixture.look([[1, 5]]), ['shop 1'], refusal);
  }
  fixture.answer = DONE;
  t.strictSame(await fixture.look([[1, 5]]), ['shop 1']);
  t.strictSame(fixture.said().map((line) => line.split(':')[2]?.trim() ?? line), [
    'port_taken',
    'info shop/0: process 1 was attached to; its inspector was open for 20 ms',
  ]);
});

t.test('no answer: tried again after it has come to itself, three times in all', async (t) => {
  const fixture = new Fixture();
  fixture.answer = { refusal: 'no_answer', why: 'silent', closedLater: Promise.resolve(true) };
  for (let tries = 1; tries <= 3; tries++) t.strictSame(await fixture.look([[1, 5]]), ['shop 1']);
  t.strictSame(await fixture.look([[1, 5]]), []);
  t.equal(fixture.said().length, 1);
  const silent = new Fixture();
  silent.answer = { refusal: 'no_answer', why: 'silent', closedLater: new Promise(() => {}) };
  await silent.look([[1, 5]]);
  t.strictSame(await silent.look([[1, 5]]), []);
});
