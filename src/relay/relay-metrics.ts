import { Counter, Registry } from 'prom-client';
import { familiesOf } from '../publish/counters.js';
import { gauge, seconds, type Family } from '../publish/family.js';
import type { Queue } from './queue.js';
import type { Verdict } from './verdict.js';

export const UNDELIVERABLE = [
  'no_instance', // the alert has no instance label
  'unknown_instance', // no target is called so
  'refused', // the warden refused it, and would again
  'expired', // not delivered within max_age of the last that was heard of it
] as const;
export type Undeliverable = (typeof UNDELIVERABLE)[number];

const VERDICTS = ['delivered', 'failed', 'refused'] as const satisfies readonly Verdict[];

/** What the relay counts as it happens; series that are known beforehand start at 0. */
export class RelayCounters {
  readonly #registry = new Registry();
  readonly #deliveries = new Counter({
    name: 'heapwarden_relay_deliveries_total',
    help: 'Requests to wardens with alerts, by how they ended: delivered, failed (tried again) or refused (not tried again).',
    labelNames: ['result'],
    registers: [this.#registry],
  });
  readonly #alerts = new Counter({
    name: 'heapwarden_relay_alerts_received_total',
    help: 'Alerts received from Alertmanager.',
    registers: [this.#registry],
  });
  readonly #undeliverable = new Counter({
    name: 'heapwarden_relay_undeliverable_alerts_total',
    help: 'Alerts that were given up, and had not resolved, by why: no_instance, unknown_instance, refused or expired.',
    labelNames: ['cause'],
    registers: [this.#registry],
  });
  readonly #journalErrors = new Counter({
    name: 'heapwarden_relay_journal_errors_total',
    help: 'Writes of undelivered alerts that failed; Alertmanager is asked to send them again.',
    registers: [this.#registry],
  });

  constructor() {
    for (const result of VERDICTS) this.#deliveries.inc({ result }, 0);
    for (const cause of UNDELIVERABLE) this.#undeliverable.inc({ cause }, 0);
  }

  request(result: Verdict): void {
    this.#deliveries.inc({ result });
  }

  received(alerts: number): void {
    this.#alerts.inc(alerts);
  }

  undeliverable(cause: Undeliverable): void {
    this.#undeliverable.inc({ cause });
  }

  journalError(): void {
    this.#journalErrors.inc();
  }

  families(): Promise<Family[]> {
    return familiesOf(this.#registry);
  }
}

export interface RelayView {
  version: string;
  queue: Queue;
  targets: { count: number; isGood: boolean };
}

/** Pure: the relay at one moment. */
export function relayFamilies({ version, queue, targets }: RelayView): Family[] {
  const all = queue.all();
  const one = (name: string, help: string, value: number) => gauge(name, help, [{ labels: {}, value }]);
  const oldest = (name: string, help: string, timesMs: readonly number[]) => {
    // No sample while there is none: a time of 0 would be the oldest of all.
    const value = timesMs.reduce((least, time) => Math.min(least, time), Infinity);
    return gauge(name, help, Number.isFinite(value) ? [{ labels: {}, value: seconds(value) }] : []);
  };
  return [
    gauge('heapwarden_build_info', 'Version of heapwarden and of the Node.js it runs on.', [
      { labels: { version, node_version: process.version.slice(1) }, value: 1 },
    ]),
    one('heapwarden_relay_queue_length', 'Alerts that have not been delivered, also those the brake holds.', queue.length),
    one('heapwarden_relay_queue_bytes', 'Memory of the alerts that have not been delivered, about.', queue.bytes),
    one('heapwarden_relay_held_alerts', 'Alerts that the brake holds.', all.filter(({ isHeld }) => isHeld).length),
    oldest(
      'heapwarden_relay_oldest_undelivered_timestamp_seconds',
      'When the oldest alert that is not held came, or was let go by the brake; absent while there is none.',
      all.filter(({ isHeld }) => !isHeld).map(({ sinceMs, releasedAtMs }) => releasedAtMs ?? sinceMs),
    ),
    oldest(
      'heapwarden_relay_oldest_held_timestamp_seconds',
      'When the oldest alert came that the brake holds; absent while there is none.',
      all.filter(({ isHeld }) => isHeld).map(({ sinceMs }) => sinceMs),
    ),
    one('heapwarden_relay_targets', 'Wardens in the list of targets.', targets.count),
    one('heapwarden_relay_targets_refresh_successful', '1 where the last look at the list of targets was good.', targets.isGood ? 1 : 0),
  ];
}
