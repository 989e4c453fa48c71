import { monitorEventLoopDelay, performance, type EventLoopUtilization, type IntervalHistogram } from 'node:perf_hooks';
import { clearInterval, clearTimeout, setInterval, setTimeout } from 'node:timers';
import type { LoopWindow } from './protocol.cjs';
import { quietly } from './quietly.cjs';

/**
 * How often Node samples the delay. Coarser is cheaper (20 ms: an idle app takes a third more CPU), and blind to shorter
 * delays.
 */
const RESOLUTION_MS = 40;

/**
 * Event-loop delay in windows of `windowMs`.
 *
 * Node's monitor measures from tick to tick of its own timer, and a reset makes it forget the last tick, so a block
 * around a reset goes unseen. Hence two timers of our own, one that ends at the reset and one that begins there: how
 * late they are counts, too. A second monitor would see such a block as well, but takes 0.4 MB: a reset writes every
 * page of its histogram.
 */
export class LoopMeter {
  /** The last whole window; null before the first one, or where the last one has no sample. */
  window: LoopWindow | null = null;
  readonly #windowMs: number;
  readonly #turn: NodeJS.Timeout;
  #afterReset: NodeJS.Timeout | undefined;
  readonly #monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  /** The longest delay of our own timers in this window, in seconds. */
  #ownSeconds = 0;
  #startMs = performance.now();
  #utilization = performance.eventLoopUtilization();

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
    this.#monitor.enable();
    this.#turn = setInterval(quietly(() => this.#endWindow()), windowMs).unref();
  }

  close(): void {
    clearInterval(this.#turn);
    clearTimeout(this.#afterReset);
    this.#monitor.disable();
  }

  #endWindow(): void {
    const nowMs = performance.now();
    const utilization = performance.eventLoopUtilization();
    const busy = performance.eventLoopUtilization(utilization, this.#utilization);
    this.#late(nowMs - this.#startMs - this.#windowMs);
    this.window = summarize(this.#monitor, this.#ownSeconds, (nowMs - this.#startMs) / 1000, busy);
    this.#monitor.reset();
    this.#startMs = nowMs;
    this.#utilization = utilization;
    this.#ownSeconds = 0;
    clearTimeout(this.#afterReset);
    // Until the monitor's next tick, from which on it sees.
    this.#afterReset = setTimeout(
      quietly(() => this.#late(performance.now() - nowMs - RESOLUTION_MS)),
      RESOLUTION_MS,
    ).unref();
  }

  #late(ms: number): void {
    this.#ownSeconds = Math.max(this.#ownSeconds, ms / 1000);
  }
}

/**
 * `ownSeconds` is one sample more where it exceeds all others: these have not seen that block, or less of it. Null where
 * there is no sample: Node's min and mean are then 2^63 and NaN.
 */
function summarize(
  delays: IntervalHistogram,
  ownSeconds: number,
  windowSeconds: number,
  busy: EventLoopUtilization,
): LoopWindow | null {
  // Samples are nanoseconds from tick to tick, of which RESOLUTION_MS is the timer's own waiting.
  const late = (nanoseconds: number) => Math.max(0, (nanoseconds - RESOLUTION_MS * 1e6) / 1e9);
  const { count } = delays;
  const seen = count > 0 ? late(delays.max) : 0;
  const isUnseen = ownSeconds > seen;
  const n = count + (isUnseen ? 1 : 0);
  if (n === 0) return null;
  // By nearest rank, the highest of n is the percentile where its rank is n.
  const share = (part: number) => (isUnseen && Math.ceil(part * n) === n ? ownSeconds : late(delays.percentile(100 * part)));
  return {
    window_seconds: windowSeconds,
    mean_seconds: ((count > 0 ? late(delays.mean) * count : 0) + (isUnseen ? ownSeconds : 0)) / n,
    p50_seconds: share(0.5),
    p90_seconds: share(0.9),
    p99_seconds: share(0.99),
    max_seconds: Math.max(seen, ownSeconds),
    utilization_ratio: Math.min(1, Math.max(0, busy.utilization || 0)),
  };
}
