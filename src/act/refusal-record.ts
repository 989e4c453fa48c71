import type { Incident } from './incident.js';

/** Of one refusal, another alert about the same process may be told again after so many milliseconds. */
const SAME_STORY_MS = 60_000;
/** What nobody has asked for so many milliseconds is news again: tomorrow's schedule, or next month's request. */
const FORGOTTEN_MS = 600_000;
/** Refusals that are remembered; anybody's alert may name what it likes. */
const MOST = 1000;

export interface Told {
  id: string;
  app: string;
  alert: string;
  atMs: number;
  /** When it was refused last. */
  lastMs: number;
}

/** Which refusals are on record, so that one repeated every few seconds, or in ten thousand alerts, is put there once. */
export class RefusalRecord {
  /** Oldest first. */
  readonly #told = new Map<string, Told>();

  /** The incident that tells this refusal already, perhaps of another name; null where it is news, until now. */
  alreadyTold(incident: Incident, monotonicMs: number): Told | null {
    const key = keyOf(incident);
    const told = this.#told.get(key);
    if (told && isSameStory(told, incident, monotonicMs)) {
      told.lastMs = monotonicMs;
      return told;
    }
    this.#told.delete(key);
    this.#told.set(key, { id: incident.id, app: incident.app, alert: alertOf(incident), atMs: monotonicMs, lastMs: monotonicMs });
    if (this.#told.size > MOST) this.#told.delete(this.#told.keys().next().value!);
    return null;
  }

  /** A restart of the worker: what is refused after it is another story. */
  forget({ app, worker }: Pick<Incident, 'app' | 'worker'>): void {
    for (const key of this.#told.keys()) if (key.startsWith(prefixOf(app, worker))) this.#told.delete(key);
  }
}

/** An alert is the same for as long as it lasts, however seldom it is repeated. */
function isSameStory(told: Told, incident: Incident, monotonicMs: number): boolean {
  if (monotonicMs - told.atMs < SAME_STORY_MS) return true;
  return told.alert === alertOf(incident) && (incident.alert !== null || monotonicMs - told.lastMs < FORGOTTEN_MS);
}

const prefixOf = (app: string, worker: string): string => `${app}\u0000${worker}\u0000`;

/** Anybody's alert may name what it likes: all names that are not configured are one story. */
function keyOf({ app, worker, asked, origin, reason, before }: Incident): string {
  if (reason === 'unknown_app') return JSON.stringify([asked, origin, reason]);
  return prefixOf(app, worker) + JSON.stringify([asked, origin, reason, before?.pid, before?.start]);
}

function alertOf({ app, alert }: Incident): string {
  return JSON.stringify([app, alert?.fingerprint, alert?.startsAtMs]);
}
