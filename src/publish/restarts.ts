import type { Incident } from '../act/incident.js';
import { BLOCKS, blocksOf } from './blocks.js';
import { gauge, labelsOf, seconds, type Family, type Sample, type View } from './family.js';

/** What the journal knows of restarts; the counters of the same name stem are in counters.ts. */
export function restartFamilies(view: View): Family[] {
  const { config, history, workers } = view;
  // One that still waits may yet be cancelled, and would go back in time then.
  const restarts = history
    .list({ limit: Infinity })
    .filter((incident) => incident.action === 'restart')
    .filter(({ outcome }) => outcome && outcome.result !== 'cancelled');
  const perManagedWorker = (value: (restartsOfIt: Incident[]) => number | null): Sample[] =>
    workers.flatMap(({ app, worker, supervisor }) => {
      if (supervisor === 'none') return [];
      const known = value(restarts.filter((incident) => incident.app === app && incident.worker === worker));
      return known === null ? [] : [{ labels: { app, worker }, value: known }];
    });
  return [
    gauge(
      'heapwarden_restart_reclaimed_bytes',
      "Memory before the worker's last restart minus memory after it.",
      perManagedWorker((newestFirst) => newestFirst.map(reclaimed).find((bytes) => bytes !== null) ?? null),
    ),
    gauge(
      'heapwarden_restart_last_timestamp_seconds',
      "When the worker's last restart that has been carried out was decided, in seconds since the Unix epoch.",
      perManagedWorker(([newest]) => (newest ? seconds(newest.atMs) : null)),
    ),
    gauge(
      'heapwarden_restart_budget_remaining',
      'Restarts of the app that its budget still allows.',
      config.apps.map(({ name, restart: { budget } }) => ({
        labels: { app: name },
        value: history.budgetLeft(name, budget),
      })),
    ),
    gauge(
      'heapwarden_restarts_blocked',
      '1 where automatic restarts of the worker are stopped for longer: by a person, a window, or for want of effect.',
      blockedSamples(view),
    ),
  ];
}

function blockedSamples({ config, history, workers, nowMs }: View): Sample[] {
  const apps = new Map(config.apps.map((app) => [app.name, app]));
  return workers.flatMap((worker) => {
    const app = apps.get(worker.app);
    if (!app || worker.supervisor === 'none') return [];
    const blocks = blocksOf(app, worker.worker, history, nowMs);
    return BLOCKS.map((refusal) => ({ labels: { ...labelsOf(worker), refusal }, value: blocks.includes(refusal) ? 1 : 0 }));
  });
}

function reclaimed({ before, outcome }: Incident): number | null {
  return before && outcome?.after ? before.rssBytes - outcome.after.rssBytes : null;
}
