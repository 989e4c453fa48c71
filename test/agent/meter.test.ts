import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { gcKind } from '../../src/agent/gc.cjs';
import { LoopMeter } from '../../src/agent/loop.cjs';
import { createMeter } from '../../src/agent/meter.cjs';
import type { LoopWindow } from '../../src/agent/protocol.cjs';
import { numbersIn } from './support.js';

const block = (ms: number) => {
  for (const end = performance.now() + ms; performance.now() < end; );
};

t.test('the kinds of GC', async (t) => {
  // V8's GCType: include/v8-callbacks.h
  t.same([1, 2, 4, 8, 16].map(gcKind), ['minor', 'minor', 'major', 'incremental', 'weakcb']);
});

t.test('figures of the own process', async (t) => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const meter = createMeter({ windowMs: 200 });
  const first = meter.read();
  t.equal(first.heap_live, null, 'no major GC yet');
  t.equal(first.loop, null, 'no window yet');
  gc();
  await sleep(400);
  const second = meter.read();
  t.equal(second.gc.major.count, 1);
  t.equal(first.gc.major.count, 0, 'what was read stays as it was read');
  t.ok(second.heap_live! > 1e6 && second.heap_live! <= second.heap_used, 'live heap is part of the used heap');
  t.ok(second.loop, 'a window');
  t.ok(numbersIn(second).every((value) => Number.isFinite(value) && value >= 0), 'numbers');
  meter.close();
  gc();
  await sleep(300);
  t.equal(meter.read().gc.major.count, 1, 'closed');
});

t.test('no block is lost between two windows', async (t) => {
  // Timers of one duration fire in the order in which they were made: right before the window's own, and right after.
  for (const order of ['before', 'after']) {
    const blocking = () => setInterval(block, 300, 100);
    const before = order === 'before' ? blocking() : undefined;
    const loop = new LoopMeter(300);
    const after = order === 'after' ? blocking() : undefined;
    const windows = new Set<LoopWindow>();
    for (const end = performance.now() + 1500; performance.now() < end; await sleep(20)) {
      if (loop.window) windows.add(loop.window);
    }
    clearInterval(before);
    clearInterval(after);
    loop.close();
    // The first window ends before the first block that comes right after it.
    const longest = [...windows].slice(order === 'after' ? 1 : 0).map((window) => window.max_seconds);
    t.ok(longest.length >= 3, `${longest.length} windows`);
    t.ok(longest.every((seconds) => seconds > 0.07), `a block of 0.1 s ${order} each turn: ${longest.join(', ')}`);
  }
});
