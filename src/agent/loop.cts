import { monitorEventLoopDelay, performance, type EventLoopUtilization, type IntervalHistogram } from 'node:perf_hooks';
import type { LoopWindow } from './protocol.cjs';
import { quietly } from './quietly.cjs';
import { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from './timers.cjs';

/** How often Node samples the delay. Coarser is cheaper (most of what an idle app pays), and blind to shorter delays. */
const RESOLUTION_MS = 30;

/**
 * Event-loop delay in windows of `windowMs`.
 *
 * Node's monitor measures from tick to tick of its own timer, and a reset makes it forget the last tick. A window ends in
 * an immediate, so that a tick that is due comes before it: what has blocked the loop until then is in it. What comes
 * between, and before the first tick of the next window, the monitor does not see. It shows in how late we ourselves
 * are, and counts in the greatest delay. A second monitor that ticks meanwhile would see it too, for 0.4 MB.
 */
export class LoopMeter {
  /** The last whole window; null before the first one, or where the last one has no sample. */
  window: LoopWindow | null = null;
  readonly #monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #turn: NodeJS.Timeout;
  readonly #windowMs: number;
  #seam: NodeJS.Timeout | undefined;
  #end: NodeJS.Immediate | undefined;
  /** Seconds; the longest delay in this window that the monitor may not have seen. */
  #unseen = 0;
  #startMs = performance.now();
  /** When the timer was due that ends this window, and when it is due again. */
  #dueMs = NaN;
  #nextMs: number;
  #utilization = performance.eventLoopUtilization();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
    this.#nextMs = this.#startMs + windowMs;
    this.#monitor.enable();
    const end = quietly(() => this.#endWindow());
    this.#turn = setInterval(quietly(() => this.#turnWith(end)), windowMs).unref();
  }

  /** A window ends in this turn of the loop, by an immediate of ours. */
  get isEnding(): boolean {
    return this.#end !== undefined;
  }

  close(): void {
    clearInterval(this.#turn);
    clearTimeout(this.#seam);
    clearImmediate(this.#end);
    this.#monitor.disable();
  }

  #turnWith(end: () => void): void {
    this.#dueMs = this.#nextMs;
    this.#nextMs = performance.now() + this.#windowMs;
    this.#end = setImmediate(end);
  }

  #endWindow(): void {
    this.#end = undefined;
    const nowMs = performance.now();
    const utilization = performance.eventLoopUtilization();
    const busy = performance.eventLoopUtilization(utilization, this.#utilization);
    const lengthMs = nowMs - this.#startMs;
    this.#missed(nowMs - this.#dueMs);
    this.window = summarize(this.#monitor, this.#unseen, lengthMs / 1000, busy);
    this.#monitor.reset();
    this.#startMs = nowMs;
    this.#utilization = utilization;
    this.#unseen = 0;
    clearTimeout(this.#seam);
    const look = quietly(() => this.#missed(performance.now() - nowMs - RESOLUTION_MS));
    this.#seam = setTimeout(look, RESOLUTION_MS).unref();
  }

  #missed(lateMs: number): void {
    this.#unseen = Math.max(this.#unseen, lateMs / 1000);
  }
}

/** Null where there is no sample: Node's min and mean are then 2^63 and NaN. */
function summarize(delays: IntervalHistogram, unseen: number, windowSeconds: number, busy: EventLoopUtilization): LoopWindow | null {
  if (delays.count === 0) return null;
  // Samples are nanoseconds from tick to tick, of which RESOLUTION_MS is the timer's own waiting.
  const late = (nanoseconds: number) => Math.max(0, (nanoseconds - RESOLUTION_MS * 1e6) / 1e9);
  return {
    window_seconds: windowSeconds,
    mean_seconds: late(delays.mean),
    p50_seconds: late(delays.percentile(50)),
    p90_seconds: late(delays.percentile(90)),
    p99_seconds: late(delays.percentile(99)),
    max_seconds: Math.max(late(delays.max), unseen),
    utilization_ratio: Math.min(1, Math.max(0, busy.utilization || 0)),
  };
}
