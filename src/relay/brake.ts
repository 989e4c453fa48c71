/** Pure: whether one more restart of an app may begin, as far as is known of all machines. */
import type { WardenWorker } from './wardens.js';

/** One machine that has the app, or may have it. */
export interface Machine {
  instance: string;
  /** Its workers of the app as last known; null where its warden has never answered: it may have some. */
  workers: readonly WardenWorker[] | null;
  /** The warden has answered just now. */
  isKnown: boolean;
  /** The relay has let a restart begin there, and does not know yet that it is over. */
  isBusy: boolean;
}

export interface Candidate {
  instance: string;
  /** null: all workers of the app there, one after the other. */
  worker: string | null;
}

export interface BrakeLimits {
  max_restarts: number;
  /** A ratio. */
  min_up: number;
}

/** Why it has to wait, in words; null where it may go. */
export type Brake = (candidate: Candidate) => string | null;

/**
 * The brake of one app at one moment. A warden restarts one worker of an app at a time, so machines are counted. What
 * is not known counts against it: a warden that does not answer has no worker that is up, a restart that was under
 * way there still is, and one that has never answered has one worker of the app, which is down. With all others up
 * one may always be restarted, however large the share: else a small app never could be.
 */
export function brakeOf(machines: readonly Machine[], limits: BrakeLimits): Brake {
  const byInstance = new Map(machines.map((machine) => [machine.instance, machine]));
  const restarting = machines.filter(isRestarting).length;
  const total = machines.reduce((sum, { workers }) => sum + (workers?.length ?? 1), 0);
  const up = machines.reduce((sum, machine) => sum + upOn(machine).length, 0);
  const silent = machines.filter(({ isKnown }) => !isKnown).length;

  return ({ instance, worker: named }) => {
    const own = byInstance.get(instance);
    if (!own?.isKnown || own.workers === null) return 'its warden does not answer';
    // Nothing can be restarted there, and the warden will say so.
    if (own.workers.length === 0) return null;
    if (isRestarting(own)) return 'a restart of the app is under way there';
    if (restarting >= limits.max_restarts) {
      return `the app is being restarted on ${restarting} of at most ${limits.max_restarts} machines`;
    }
    const isMeant = ({ worker }: WardenWorker) => named === null || worker === named;
    const others = up - upOn(own).filter(isMeant).length;
    const needed = Math.min(Math.ceil(limits.min_up * total), total - own.workers.filter(isMeant).length);
    if (others >= needed) return null;
    const unknown = silent === 0 ? '' : ` (${silent} wardens do not answer)`;
    return `${others} of the app's ${total} workers would be known to be up, and ${needed} must be${unknown}`;
  };
}

function isRestarting({ workers, isBusy }: Machine): boolean {
  return isBusy || (workers ?? []).some(({ restarting }) => restarting);
}

/** Where a restart has begun it is not known which worker is down by now: none counts. */
function upOn({ workers, isKnown, isBusy }: Machine): readonly WardenWorker[] {
  return isKnown && !isBusy ? (workers ?? []).filter(({ up, restarting }) => up && !restarting) : [];
}
