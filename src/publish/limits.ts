import { LEVELS, type Resource } from '../config/schema.js';
import { limitOf } from '../decide/measure.js';
import { gauge, seconds, type Family, type Sample, type View } from './family.js';

/** The configured limits, so that alert rules compare metric with metric and never need editing. */
export function limitFamilies({ config }: View): Family[] {
  const samples = (resources: readonly Resource[], unit: (value: number) => number): Sample[] =>
    config.apps.flatMap((app) =>
      resources.flatMap((resource) =>
        LEVELS.flatMap((level) => {
          const limit = limitOf(app, resource, level);
          return limit === null ? [] : [{ labels: { app: app.name, resource, level }, value: unit(limit) }];
        }),
      ),
    );
  return [
    gauge(
      'heapwarden_limit_bytes',
      'Configured limit of a resource that is measured in bytes.',
      samples(['rss'], (bytes) => bytes),
    ),
    gauge(
      'heapwarden_limit_ratio',
      'Configured limit of a resource that is measured as a ratio.',
      samples(['heap'], (ratio) => ratio),
    ),
    gauge(
      'heapwarden_limit_seconds',
      'Configured limit of a resource that is measured in seconds.',
      samples(['freeze', 'uptime'], seconds),
    ),
  ];
}
