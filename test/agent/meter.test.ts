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
  const majorsAtFirst = first.gc.major.count; // V8 may have had one of its own by now, or between any two lines
  t.equal(first.heap_live === null, majorsAtFirst === 0, 'none before the first major GC');
  t.equal(first.loop, null, 'no window yet');
  gc();
  await sleep(400);
  const second = meter.read();
  t.ok(second.gc.major.count > majorsAtFirst, 'the one that was asked for');
  t.equal(first.gc.major.count, majorsAtFirst, 'what was read stays as it was read');
  t.ok(second.heap_live! > 1e6 && second.heap_live! <= second.heap_used, 'live heap is part of the used heap');
  t.ok(second.loop, 'a window');
  t.ok(numbersIn(second).every((value) => Number.isFinite(value) && value >= 0), 'numbers');
  meter.close();
  gc();
  await sleep(300);
  t.equal(meter.read().gc.major.count, second.gc.major.count, 'closed');
});

t.test('a block of a timer that ends as its window is due is in it', async (t) => {
  const loop = new LoopMeter(300);
  const dueMs = performance.now() + 300;
  let blockedMs = 0;
  // Node runs what is due by then in the same go, before its monitor's tick.
  setTimeout(() => block((blockedMs = dueMs + 2 - performance.now())), 180);
  while (loop.window === null) await sleep(5);
  loop.close();
  t.ok(blockedMs > 60, `a block of ${blockedMs} ms`);
  // A block shows as late as a timer of 30 ms is that it began with.
  t.ok(loop.window.max_seconds * 1000 > blockedMs - 35, `of which ${loop.window.max_seconds} s are told`);
});

t.test('no block is lost between two windows', async (t) => {
  // Timers of one duration fire in the order in which they were made: right before the window's own, and right after;
  // mostly, for a millisecond between them can turn it round.
  for (const order of ['before', 'after']) {
    let blocks = 0;
    const blocking = () => setInterval(() => {
      block(100);
      blocks += 1;
    }, 300);
    const before = order === 'before' ? blocking() : undefined;
    const loop = new LoopMeter(300);
    const after = order === 'after' ? blocking() : undefined;
    const windows = new Set<LoopWindow>();
    for (const end = performance.now() + 2000; performance.now() < end; await sleep(20)) {
      if (loop.window) windows.add(loop.window);
    }
    clearInterval(before);
    clearInterval(after);
    loop.close();
    const longest = [...windows].map((window) => window.max_seconds);
    // A block shows as late as a timer of 30 ms is that it began with: at least 70 ms.
    const seen = longest.filter((seconds) => seconds > 0.065).length;
    t.ok(blocks >= 3, `${blocks} blocks`);
    // The last is in a window that has not ended; where the order turned round, two are in one.
    t.ok(seen >= blocks - 2, `${blocks} blocks of 0.1 s ${order} each turn: ${longest.join(', ')}`);
  }
});
