/**
 * taskkill.exe is played by hand, with its exit statuses as people have seen them: 1 for a process that only /F ends
 * (https://github.com/tiaanduplessis/kill-port/issues/44), 128 where there is none. Nothing here has met a Windows.
 */
import t, { type Test } from 'tap';
import type { Clock } from '../../src/clock.js';
import type { ProcessId } from '../../src/supervisors/contract.js';
import { systemProgram } from '../../src/supervisors/system-program.js';
import { stopTree } from '../../src/supervisors/stop.js';
import { taskkillArguments, taskkillTree } from '../../src/supervisors/taskkill.js';

interface Played {
  start: number;
  parent: number;
  /** Milliseconds that it takes to close; without it, it has no window and cannot be asked. */
  closesIn?: number;
  /** Not even /F ends it. */
  immortal?: boolean;
}

class Machine {
  readonly asked: string[] = [];
  readonly all = new Map<number, Played>();
  #due: { atMs: number; what: () => void }[] = [];
  #nowMs = 0;

  constructor(all: Record<number, Played>) {
    for (const [pid, played] of Object.entries(all)) this.all.set(Number(pid), played);
  }

  /** What happens at a time, by itself. */
  at(atMs: number, what: () => void): void {
    this.#due.push({ atMs, what });
  }

  readonly clock: Clock = {
    now: () => this.#nowMs,
    monotonic: () => this.#nowMs,
    sleep: async (ms) => {
      this.#nowMs += ms;
      const isDue = ({ atMs }: { atMs: number }): boolean => atMs <= this.#nowMs;
      const now = this.#due.filter(isDue).toSorted((a, b) => a.atMs - b.atMs);
      this.#due = this.#due.filter((event) => !isDue(event));
      for (const { what } of now) what();
    },
  };

  readonly processes = {
    identify: async (pid: number) => this.#id(pid),
    tree: async (root: ProcessId) => {
      if (this.all.get(root.pid)?.start !== root.start) return [];
      const tree = [root];
      for (const { pid } of tree) {
        for (const [child, { parent }] of this.all) if (parent === pid) tree.push(this.#id(child)!);
      }
      return tree;
    },
  };

  readonly taskkill = async (args: readonly string[]): Promise<number | null> => {
    this.asked.push(args.join(' '));
    const pids = args.filter((_, i) => args[i - 1] === '/PID').map(Number);
    const statuses = pids.map((pid) => (args[0] === '/F' ? this.#end(pid) : this.#ask(pid)));
    return statuses.find((status) => status !== 0) ?? 0;
  };

  stop(stopTimeoutMs: number, root = this.#id(10)!): ReturnType<typeof taskkillTree> {
    return taskkillTree(root, stopTimeoutMs, this, this.taskkill);
  }

  #id(pid: number): ProcessId | null {
    const start = this.all.get(pid)?.start;
    return start === undefined ? null : { pid, start };
  }

  #ask(pid: number): number {
    const closesIn = this.all.get(pid)?.closesIn;
    if (closesIn === undefined) return this.all.has(pid) ? 1 : 128;
    this.at(this.#nowMs + closesIn, () => void this.all.delete(pid));
    return 0;
  }

  #end(pid: number): number {
    if (!this.all.get(pid)?.immortal) return this.all.delete(pid) ? 0 : 128;
    return 1;
  }
}

const node: Played = { start: 1, parent: 0 };

t.test('a console process, as Node is: it cannot be asked, so nobody waits', async (t) => {
  const machine = new Machine({ 10: node, 11: { start: 2, parent: 10 }, 12: { start: 3, parent: 11 }, 13: { start: 1, parent: 0 } });
  t.equal(await machine.stop(60_000), 'killed');
  t.strictSame(machine.asked, ['/PID 10', '/F /PID 10 /PID 11 /PID 12']);
  t.strictSame([...machine.all.keys()], [13], 'a stranger');
  t.equal(machine.clock.monotonic(), 0);
});

t.test('one with a window has its time', async (t) => {
  const machine = new Machine({ 10: { ...node, closesIn: 3000 } });
  t.equal(await machine.stop(10_000), 'exited');
  t.strictSame(machine.asked, ['/PID 10']);
  t.equal(machine.clock.monotonic(), 3000);
});

t.test('and no more than that', async (t) => {
  const machine = new Machine({ 10: { ...node, closesIn: 30_000 } });
  t.equal(await machine.stop(10_000), 'killed');
  t.strictSame(machine.asked, ['/PID 10', '/F /PID 10']);
  t.equal(machine.clock.monotonic(), 10_000);
});

t.test('children that outlive it, and those that came since', async (t) => {
  const machine = new Machine({ 10: { ...node, closesIn: 1000 }, 11: { start: 2, parent: 10 } });
  machine.at(2000, () => machine.all.set(12, { start: 9, parent: 11 }));
  t.equal(await machine.stop(5000), 'killed');
  t.strictSame(machine.asked, ['/PID 10', '/F /PID 11 /PID 12']);
  t.strictSame([...machine.all.keys()], []);
});

t.test('a pid that is another process by now is not named', async (t) => {
  const reused = new Machine({ 10: { ...node, closesIn: 1000 }, 11: { start: 2, parent: 10 } });
  reused.at(1500, () => {
    reused.all.set(10, { start: 77, parent: 0 });
    reused.all.set(11, { start: 78, parent: 0 });
  });
  t.equal(await reused.stop(5000), 'exited');
  t.strictSame(reused.asked, ['/PID 10']);
  t.strictSame([...reused.all.keys()].toSorted(), [10, 11], 'both go on');
  const late = new Machine({ 10: { start: 77, parent: 0 } });
  t.equal(await late.stop(5000, { pid: 10, start: 1 }), 'gone');
  t.strictSame(late.asked, []);
});

t.test('it ended before it could be asked', async (t) => {
  const machine = new Machine({ 10: node });
  const end = async (args: readonly string[]) => {
    machine.all.delete(10);
    return machine.taskkill(args);
  };
  t.equal(await taskkillTree({ pid: 10, start: 1 }, 5000, machine, end), 'exited');
  t.strictSame(machine.asked, ['/PID 10']);
});

t.test('what nothing ends is waited for, but not for ever', async (t) => {
  const machine = new Machine({ 10: { ...node, immortal: true } });
  t.equal(await machine.stop(1000), 'killed');
  t.equal(machine.clock.monotonic(), 5000);
});

t.test('words', async (t) => {
  const ids = [{ pid: 5, start: 1 }, { pid: 6, start: 2 }];
  t.strictSame(taskkillArguments(ids, 'ask'), ['/PID', '5', '/PID', '6']);
  t.strictSame(taskkillArguments(ids, 'force'), ['/F', '/PID', '5', '/PID', '6']);
  t.equal(systemProgram('taskkill.exe', { SystemRoot: 'D:\\WINNT' }), 'D:\\WINNT\\System32\\taskkill.exe');
  t.equal(systemProgram('taskkill.exe', {}), 'C:\\Windows\\System32\\taskkill.exe', 'where nothing says so');
});

/** As on Windows, but for what this machine cannot have: there is no taskkill.exe. */
function onWindows(t: Test): void {
  t.intercept(process, 'platform', { value: 'win32' });
}

t.test('stopTree goes this way on Windows, and sends no signal', async (t) => {
  onWindows(t);
  const kill = t.capture(process, 'kill');
  const machine = new Machine({ 10: node });
  const options = { ...machine, stopTimeoutMs: 1000, ownsGroup: true };
  t.equal(await stopTree({ pid: 10, start: 1 }, options), 'killed', 'as far as it can tell');
  t.ok(machine.all.has(10), 'for it could not be run');
  t.strictSame(kill(), []);
});
