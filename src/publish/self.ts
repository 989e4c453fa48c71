import { Registry, collectDefaultMetrics } from 'prom-client';
import type { RuntimeStats } from '../agent/protocol.cjs';
import { familiesOf } from './counters.js';
import type { Family } from './family.js';
import { loopAndGcFamilies } from './runtime.js';

/** prom-client's GC collector counts only the first of many, and its lag is reset by each scrape: ours stand in. */
const REPLACED = /^nodejs_(gc_duration|eventloop_lag)/;
/** Gauges that are named like counters, which promtool rightly rejects; their namesakes tell the same by type. */
const MISNAMED = /^nodejs_active_\w+_total$/;
/** Milliseconds. The lag's timer cannot be left out; this lets it sleep. */
const LAG_TIMER_MS = 3_600_000;

/** The warden's own `process_*` and `nodejs_*`, unprefixed as every prom-client program has them. */
export class SelfMetrics {
  readonly #registry = new Registry();
  readonly #meter: { read(): RuntimeStats };

  constructor(meter: { read(): RuntimeStats }) {
    this.#meter = meter;
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LAG_TIMER_MS });
    for (const { name } of this.#registry.getMetricsAsArray()) {
      if (REPLACED.test(name) || MISNAMED.test(name)) this.#registry.removeSingleMetric(name);
    }
  }

  async families(): Promise<Family[]> {
    const self = { labels: {}, stats: this.#meter.read() };
    return [...(await familiesOf(this.#registry)), ...loopAndGcFamilies('', [self])];
  }

  close(): void {
    this.#registry.clear();
  }
}
