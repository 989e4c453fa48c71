import { wasCarriedOut, type Incident } from '../act/incident.js';
import type { History } from '../act/history.js';
import type { WorkerState } from '../observe/tracker.js';
import { BLOCKS, Blocks } from './blocks.js';
import { gauge, labelsOf, perWorker, samples, seconds, type Family, type Sample, type View } from './family.js';

/** What the journal knows of restarts; the counters of the same name stem are in counters.ts. */
export function restartFamilies(view: View): Family[] {
  const { config, history, workers } = view;
  const managed = workers.filter(isManaged);
  return [
    gauge(
      'heapwarden_restart_reclaimed_bytes',
      "Memory before the worker's last restart minus memory after it.",
      perWorker(managed, lastReclaimed, history),
    ),
    gauge(
      'heapwarden_restart_last_timestamp_seconds',
      "When the worker's last restart that has been carried out was decided, in seconds since the Unix epoch.",
      perWorker(managed, lastRestartAt, history),
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
      samples(blockedSamples, view),
    ),
  ];
}

const isManaged = ({ supervisor }: WorkerState): boolean => supervisor !== 'none';

function* blockedSamples({ config, history, workers, nowMs }: View): Generator<Sample> {
  const apps = new Map(config.apps.map((app) => [app.name, app]));
  const all = new Blocks(history, nowMs);
  const refusals = BLOCKS.map((block) => ({ block, more: { refusal: block } }));
  for (const worker of workers) {
    const app = apps.get(worker.app);
    if (!app || !isManaged(worker)) continue;
    const blocks = all.of(app, worker.worker);
    for (const { block, more } of refusals) yield { labels: labelsOf(worker), more, value: blocks.includes(block) ? 1 : 0 };
  }
}

function lastReclaimed({ app, worker }: WorkerState, history: History): number | null | undefined {
  const last = history.restartsOf(app, worker).findLast(hasReclaimed);
  return last && reclaimed(last);
}

function lastRestartAt({ app, worker }: WorkerState, history: History): number | undefined {
  // One that still waits may yet be cancelled, and would go back in time then.
  const last = history.restartsOf(app, worker).findLast(wasCarriedOut);
  return last && seconds(last.atMs);
}

const hasReclaimed = (incident: Incident): boolean => reclaimed(incident) !== null;

function reclaimed(incident: Incident): number | null {
  const { before, outcome } = incident;
  return wasCarriedOut(incident) && before && outcome?.after ? before.rssBytes - outcome.after.rssBytes : null;
}
