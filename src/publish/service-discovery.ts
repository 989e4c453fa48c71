/** Pure: where the apps' own metrics are, as Prometheus is told of it. */
import Type, { type Static } from 'typebox';
import type { AppConfig } from '../config/schema.js';

/** Format: https://prometheus.io/docs/prometheus/latest/http_sd/ */
export const TargetGroup = Type.Object({ targets: Type.Array(Type.String()), labels: Type.Record(Type.String(), Type.String()) });
export type TargetGroup = Static<typeof TargetGroup>;

/**
 * One group for each app that says where its metrics are. A label that begins with two underscores tells Prometheus how
 * to scrape, and is gone afterwards:
 * https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config
 */
export function metricsTargetsOf(apps: readonly Pick<AppConfig, 'name' | 'metrics'>[]): TargetGroup[] {
  return apps.flatMap(({ name, metrics }) => {
    if (metrics === undefined) return [];
    const { protocol, host, port, pathname, searchParams } = new URL(metrics);
    const scheme = protocol.slice(0, -1);
    // URL leaves the scheme's own port out, and Prometheus's `instance` label should not depend on that.
    const target = port === '' ? `${host}:${scheme === 'https' ? 443 : 80}` : host;
    const params = [...searchParams].map(([key, value]) => [`__param_${key}`, value] as const);
    const labels = { app: name, __scheme__: scheme, __metrics_path__: pathname, ...Object.fromEntries(params) };
    return [{ targets: [target], labels }];
  });
}
