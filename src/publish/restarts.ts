import { wasCarriedOut, type Incident } from '../act/incident.js';
import { BLOCKS, blocksAt } from './blocks.js';
import { gauge, labelMaker, labelsOf, perWorker, samples, seconds, type Family, type Sample, type View } from './family.js';

/** What the journal knows of restarts; the counters of the same name stem are in counters.ts. */
export function restartFamilies(view: View): Family[] {
  const { config, history, workers } = view;
  const managed = workers.filter(({ supervisor }) => supervisor !== 'none');
  return [
    gauge(
      'heapwarden_restart_reclaimed_bytes',
      "Memory before the worker's last restart minus memory after it.",
      perWorker(managed, ({ app, worker }) => {
        const last = history.restartsOf(app, worker).findLast((incident) => reclaimed(incident) !== null);
        return last && reclaimed(last);
      }),
    ),
    gauge(
      'heapwarden_restart_last_timestamp_seconds',
      "When the worker's last restart that has been carried out was decided, in seconds since the Unix epoch.",
      perWorker(managed, ({ app, worker }) => {
        // One that still waits may yet be cancelled, and would go back in time then.
        const last = history.restartsOf(app, worker).findLast(wasCarriedOut);
        return last && seconds(last.atMs);
      }),
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

function blockedSamples({ config, history, workers, nowMs }: View): Iterable<Sample> {
  return samples(function* () {
    const apps = new Map(config.apps.map((app) => [app.name, app]));
    const blocksOf = blocksAt(history, nowMs);
    const byRefusal = labelMaker('refusal');
    for (const worker of workers) {
      const app = apps.get(worker.app);
      if (!app || worker.supervisor === 'none') continue;
      const blocks = blocksOf(app, worker.worker);
      for (const refusal of BLOCKS) {
        yield { labels: labelsOf(worker), more: byRefusal(refusal), value: blocks.includes(refusal) ? 1 : 0 };
      }
    }
  });
}

function reclaimed(incident: Incident): number | null {
  const { before, outcome } = incident;
  return wasCarriedOut(incident) && before && outcome?.after ? before.rssBytes - outcome.after.rssBytes : null;
}
