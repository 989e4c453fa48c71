import { monitorEventLoopDelay, performance, type EventLoopUtilization, type IntervalHistogram } from 'node:perf_hooks';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import type { LoopWindow } from './protocol.cjs';
import { quietly } from './quietly.cjs';

/** How often Node samples the delay. Coarser is cheaper, and blind to shorter delays. */
const RESOLUTION_MS = 20;

/**
 * Event-loop delay in windows of `windowMs`.
 *
 * Node's monitor measures from tick to tick of its own timer, and a reset makes it forget the last tick, so a block
 * around a reset would go unseen. Hence two monitors: the next one ticks before the last one stops, and a block in
 * between is in one of them or in both.
 */
export class LoopMeter {
  /** The last whole window; null before the first one, or where the last one has no sample. */
  window: LoopWindow | null = null;
  readonly #turn: NodeJS.Timeout;
  #handover: NodeJS.Timeout | undefined;
  #current = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #next = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  #startMs = performance.now();
  #utilization = performance.eventLoopUtilization();

  constructor(windowMs: number) {
    this.#current.enable();
    // A monitor that never ran is listed among the resources that keep the app alive; one that was stopped is not.
    this.#next.enable();
    this.#next.disable();
    this.#turn = setInterval(quietly(() => this.#startNext()), windowMs).unref();
  }

  close(): void {
    clearInterval(this.#turn);
    clearTimeout(this.#handover);
    this.#current.disable();
    this.#next.disable();
  }

  #startNext(): void {
    // Without the reset the first sample would be the time since the monitor was last enabled.
    this.#next.reset();
    this.#next.enable();
    this.#handOver();
  }

  #handOver(): void {
    clearTimeout(this.#handover);
    // The first tick sets the mark, the second makes the first sample.
    this.#handover = setTimeout(
      quietly(() => (this.#next.count > 0 ? this.#endWindow() : this.#handOver())),
      3 * RESOLUTION_MS,
    ).unref();
  }

  #endWindow(): void {
    const nowMs = performance.now();
    const utilization = performance.eventLoopUtilization();
    this.#current.disable();
    const busy = performance.eventLoopUtilization(utilization, this.#utilization);
    this.window = summarize(this.#current, (nowMs - this.#startMs) / 1000, busy);
    [this.#current, this.#next] = [this.#next, this.#current];
    this.#startMs = nowMs;
    this.#utilization = utilization;
  }
}

/** Null where there is no sample: Node's min and mean are then 2^63 and NaN. */
function summarize(delays: IntervalHistogram, windowSeconds: number, busy: EventLoopUtilization): LoopWindow | null {
  if (delays.count === 0) return null;
  // Samples are nanoseconds from tick to tick, of which RESOLUTION_MS is the timer's own waiting.
  const late = (nanoseconds: number) => Math.max(0, (nanoseconds - RESOLUTION_MS * 1e6) / 1e9);
  return {
    window_seconds: windowSeconds,
    mean_seconds: late(delays.mean),
    p50_seconds: late(delays.percentile(50)),
    p90_seconds: late(delays.percentile(90)),
    p99_seconds: late(delays.percentile(99)),
    max_seconds: late(delays.max),
    utilization_ratio: Math.min(1, Math.max(0, busy.utilization || 0)),
  };
}
