/** What the policy is told: config, measurement and past of one ask, put together. */
import type { AppConfig } from '../config/schema.js';
import type { Ask } from '../decide/decision.js';
import type { Others } from '../decide/gates.js';
import type { Facts } from '../decide/policy.js';
import { sameProcess } from '../observe/identity.js';
import { workerKey, type Workers, type WorkerState } from '../observe/tracker.js';
import type { History } from './history.js';
import type { Incident } from './incident.js';

export interface FactParts {
  /** The app's config; null where it is not configured (any more). */
  app(name: string): AppConfig | null;
  observer: { readonly workers: Workers };
  history: History;
}

export function factsOf(ask: Ask, worker: WorkerState | null, isBusy: IsBusy, parts: FactParts): Facts {
  const { history } = parts;
  const app = parts.app(ask.app);
  return {
    app,
    worker,
    inProgress: isBusy(ask.app, ask.worker),
    alertAnswered: ask.alert !== null && history.hasAnswered(ask.alert, ask.app, ask.worker),
    pause: history.stateOf(ask.app).pause,
    sinceLastRestartMs: history.sinceLastRestart(ask.app, ask.worker),
    restartsInWindow: app ? history.restartsWithin(ask.app, app.restart.budget.windowMs) : 0,
    fruitless: app ? history.fruitless(ask.app, ask.worker).length : 0,
    // One restart of an app at a time: when this one's turn comes, those before it are over. Then it is asked again.
    others: app ? othersUp(app, ask.worker, parts, { counts: (other) => isBusy(app.name, other) }) : { count: 0, up: 0 },
  };
}

type IsBusy = (app: string, worker: string) => boolean;

/**
 * `counts`: workers of which it is taken for granted that they will be up. One that came up unready counts for nothing
 * until its cooldown is over; nor, for a restart that has waited for `waitedMs`, if that was meanwhile.
 */
export function othersUp(
  { name, restart }: AppConfig,
  worker: string,
  { observer, history }: Pick<FactParts, 'observer' | 'history'>,
  { counts = () => false, waitedMs = 0 }: { counts?: (worker: string) => boolean; waitedMs?: number } = {},
): Others {
  const isUp = (other: WorkerState): boolean => {
    if (counts(other.worker)) return true;
    if (other.reading === null) return false;
    const unready = cameUpUnready(other, history);
    // By ages: the time of day may have been put back since.
    return unready === null || (history.age(unready) >= restart.cooldown && history.sinceOutcome(unready) >= waitedMs);
  };
  const others = [...observer.workers.values()].filter((other) => other.app === name && other.worker !== worker);
  return { count: others.length, up: others.filter(isUp).length };
}

/** The restart from which it came up, and was not ready when last seen; null where that is not so. */
function cameUpUnready({ app, worker, reading }: WorkerState, history: History): Incident | null {
  const last = history.lastRestart(app, worker);
  if (!last || last.outcome?.result !== 'not_ready') return null;
  const { before, outcome } = last;
  return sameProcess(outcome.after, reading?.root) && !sameProcess(outcome.after, before) ? last : null;
}

export const stateOf = (workers: Workers, { app, worker }: { app: string; worker: string }): WorkerState | null =>
  workers.get(workerKey(app, worker)) ?? null;
