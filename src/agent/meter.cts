import { GcMeter } from './gc.cjs';
import { readHeap } from './heap.cjs';
import { LoopMeter } from './loop.cjs';
import type { RuntimeStats } from './protocol.cjs';
import { countResources } from './resources.cjs';

const WINDOW_MS = 10_000;

/** What this process knows of itself. Holds no reference that keeps the process alive. */
export interface Meter {
  read(): RuntimeStats;
  close(): void;
}

export interface MeterOptions {
  /** Length of the event-loop window in milliseconds. */
  windowMs?: number;
}

/** Begins to measure this process: GCs are counted from here on, `loop` is null until the first window has ended. */
export function createMeter({ windowMs = WINDOW_MS }: MeterOptions = {}): Meter {
  const gc = new GcMeter();
  const loop = new LoopMeter(windowMs);
  return {
    read() {
      const deliveryQueued = gc.flush();
      const { major, minor, incremental, weakcb } = gc.histograms;
      return {
        ...readHeap(),
        heap_live: gc.heapLive,
        gc: { major: copy(major), minor: copy(minor), incremental: copy(incremental), weakcb: copy(weakcb) },
        loop: loop.window,
        active_resources: countResources({ ownImmediates: Number(deliveryQueued) + Number(loop.isEnding) }),
      };
    },
    close() {
      gc.close();
      loop.close();
    },
  };
}

function copy<T extends { buckets: number[] }>(histogram: T): T {
  return { ...histogram, buckets: [...histogram.buckets] };
}
