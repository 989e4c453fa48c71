import type { Incident } from '../act/incident.js';
import { gauge, seconds, type Family, type View } from './family.js';

/** What the journal knows of restarts; the counters of the same name stem are in counters.ts. */
export function restartFamilies({ config, history, nowMs }: View): Family[] {
  const lastOutcomes = config.apps.flatMap(({ name }) => {
    const last = history.list({ app: name, limit: Infinity }).find((incident) => reclaimed(incident) !== null);
    return last ? [{ labels: { app: name }, value: reclaimed(last)! }] : [];
  });
  return [
    gauge('heapwarden_restart_reclaimed_bytes', "Memory before the app's last restart minus memory after it.", lastOutcomes),
    gauge(
      'heapwarden_restart_last_timestamp_seconds',
      "When the app's last restart was decided, in seconds since the Unix epoch.",
      config.apps.flatMap(({ name }) => {
        const last = history.lastRestartMs(name);
        return last === null ? [] : [{ labels: { app: name }, value: seconds(last) }];
      }),
    ),
    gauge(
      'heapwarden_restart_budget_remaining',
      'Restarts of the app that its budget still allows.',
      config.apps.map(({ name, restart: { budget } }) => ({
        labels: { app: name },
        value: Math.max(0, budget.count - history.restartsSince(name, nowMs - budget.windowMs)),
      })),
    ),
  ];
}

function reclaimed({ action, before, outcome }: Incident): number | null {
  return action === 'restart' && before && outcome?.after ? before.rssBytes - outcome.after.rssBytes : null;
}
