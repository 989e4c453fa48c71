import { Registry, type Metric, type RegistryContentType } from 'prom-client';
import type { Family } from './family.js';
import { gauge, seconds } from './family.js';

export interface Collector {
  name: string;
  collect(): Family[] | Promise<Family[]>;
}

/** How a look that was made between two scrapes went; published beside the collectors'. */
export interface PastLook {
  success: boolean;
  durationMs: number;
}

export type Exposition = 'text' | 'openmetrics';

export const CONTENT_TYPES: Record<Exposition, RegistryContentType> = {
  text: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
};

/**
 * All collectors' families as one page, through a registry that lives for this page only: prom-client renames
 * counters for good when it renders OpenMetrics, and one failing collector would fail the page.
 */
export async function render(
  collectors: readonly Collector[],
  pastLooks: ReadonlyMap<string, PastLook>,
  exposition: Exposition,
  onFailure: (collector: string, error: unknown) => void,
): Promise<string> {
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(CONTENT_TYPES[exposition]);
  const looks = new Map(pastLooks);
  for (const { name, collect } of collectors) {
    const startedAt = performance.now();
    let success = true;
    try {
      for (const family of await collect()) registry.registerMetric(constant(family));
    } catch (error) {
      success = false;
      onFailure(name, error);
    }
    looks.set(name, { success, durationMs: performance.now() - startedAt });
  }
  for (const family of lookFamilies(looks)) registry.registerMetric(constant(family));
  return registry.metrics();
}

function lookFamilies(looks: ReadonlyMap<string, PastLook>): Family[] {
  const all = [...looks];
  return [
    gauge(
      'heapwarden_collector_duration_seconds',
      'How long a collector took.',
      all.map(([collector, { durationMs }]) => ({ labels: { collector }, value: seconds(durationMs) })),
    ),
    gauge(
      'heapwarden_collector_success',
      '1 where a collector succeeded, 0 where it failed.',
      all.map(([collector, { success }]) => ({ labels: { collector }, value: success ? 1 : 0 })),
    ),
  ];
}

/** A metric with fixed values; the registry asks no more of one than this, and for OpenMetrics renames a counter. */
function constant({ name, help, type, values }: Family): Metric {
  const metric = { name, type, get: async () => ({ name: metric.name, help, type, values }) };
  return metric as unknown as Metric;
}
