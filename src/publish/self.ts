import { Registry, collectDefaultMetrics } from 'prom-client';
import type { RuntimeStats } from '../agent/protocol.cjs';
import { familiesOf } from './counters.js';
import { gauge, type Family } from './family.js';
import { loopAndGcFamilies } from './runtime.js';

/** prom-client's GC collector counts only the first of many, and its lag is reset by each scrape: ours stand in. */
const REPLACED = /^nodejs_(gc_duration|eventloop_lag)/;
/** Gauges that are named like counters, which promtool rightly rejects; their namesakes tell the same by type. */
const MISNAMED = /^nodejs_active_\w+_total$/;
/**
 * Those that look at each of a warden's descriptors and sockets, thousands with a fleet, for a third of a scrape's CPU:
 * the descriptors are counted otherwise here, and nodejs_active_resources tells of the same handles by a public API.
 */
const COSTLY = /^(process_open_fds|nodejs_active_(handles|requests))$/;
/** Milliseconds. The lag's timer cannot be left out; this lets it sleep. */
const LAG_TIMER_MS = 3_600_000;

/** The warden's own `process_*` and `nodejs_*`, unprefixed as every prom-client program has them. */
export class SelfMetrics {
  readonly #registry = new Registry();
  readonly #meter: { read(): RuntimeStats };
  readonly #openFds: () => number | null | Promise<number | null>;

  /** `openFds`: descriptors of this process; null where the system does not tell. */
  constructor(meter: { read(): RuntimeStats }, openFds: () => number | null | Promise<number | null>) {
    this.#meter = meter;
    this.#openFds = openFds;
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LAG_TIMER_MS });
    for (const { name } of this.#registry.getMetricsAsArray()) {
      if ([REPLACED, MISNAMED, COSTLY].some((pattern) => pattern.test(name))) this.#registry.removeSingleMetric(name);
    }
  }

  async families(): Promise<Family[]> {
    const stats = this.#meter.read();
    const fds = await this.#openFds();
    return [
      ...(await familiesOf(this.#registry)),
      ...(fds === null ? [] : [gauge('process_open_fds', 'Number of open file descriptors.', [{ labels: {}, value: fds }])]),
      ...loopAndGcFamilies('', [{ labels: {}, stats, gc: stats.gc }]),
    ];
  }

  close(): void {
    this.#registry.clear();
  }
}
