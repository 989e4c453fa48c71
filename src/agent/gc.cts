import { constants, PerformanceObserver, type NodeGCPerformanceDetail, type PerformanceEntry } from 'node:perf_hooks';
import { liveHeap } from './heap.cjs';
import { GC_BUCKETS_SECONDS, type GcHistogram, type GcKind } from './protocol.cjs';
import { quietly } from './quietly.cjs';

// @types/node 20 lacks it; documented since Node 16: https://nodejs.org/api/perf_hooks.html#performanceentrydetail
type GcEntry = PerformanceEntry & { readonly detail: NodeGCPerformanceDetail };

/** Counts every garbage collection of this process from construction on. */
export class GcMeter {
  readonly histograms: Record<GcKind, GcHistogram> = {
    major: emptyHistogram(),
    minor: emptyHistogram(),
    incremental: emptyHistogram(),
    weakcb: emptyHistogram(),
  };
  /**
   * Bytes that the last major GC left in use; null before the first one. Taken when Node hands the GC over, which is
   * at the end of the turn in which it happened, with the young generation left out: a major GC empties it, so what is
   * there came later. The true figure is exceeded by at most what the rest of that turn allocated straight in the old
   * generation (objects over about 128 KiB, code) or kept alive through further minor GCs.
   */
  heapLive: number | null = null;
  readonly #observer = new PerformanceObserver(quietly((list) => this.#count(list.getEntries())));

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] });
  }

  /** Counts what Node has not delivered yet. True where there was any: its delivery, an Immediate, is still queued. */
  flush(): boolean {
    const entries = this.#observer.takeRecords();
    this.#count(entries);
    return entries.length > 0;
  }

  close(): void {
    this.#observer.disconnect();
  }

  #count(entries: PerformanceEntry[]): void {
    for (const { detail, duration } of entries as GcEntry[]) {
      const kind = gcKind(detail.kind);
      const seconds = duration / 1000;
      const histogram = this.histograms[kind];
      histogram.count += 1;
      histogram.sum_seconds += seconds;
      GC_BUCKETS_SECONDS.forEach((bound, i) => {
        if (seconds <= bound) histogram.buckets[i]! += 1;
      });
      if (kind === 'major') this.heapLive = liveHeap();
    }
  }
}

/**
 * Of V8's GCType (v8-callbacks.h). Anything unknown is a minor one: 2 is the minor mark-sweep, for which Node has no
 * constant before 24.
 */
export function gcKind(kind: number | undefined): GcKind {
  switch (kind) {
    case constants.NODE_PERFORMANCE_GC_MAJOR:
      return 'major';
    case constants.NODE_PERFORMANCE_GC_INCREMENTAL:
      return 'incremental';
    case constants.NODE_PERFORMANCE_GC_WEAKCB:
      return 'weakcb';
    default:
      return 'minor';
  }
}

function emptyHistogram(): GcHistogram {
  return { count: 0, sum_seconds: 0, buckets: GC_BUCKETS_SECONDS.map(() => 0) };
}
