import type { Incident } from './incident.js';

/** Of one refusal, another alert about the same process may be told again after so many milliseconds. */
const SAME_STORY_MS = 60_000;
/** Refusals that are remembered; anybody's alert may name what it likes. */
const MOST = 1000;

interface Told {
  id: string;
  alert: string;
  atMs: number;
}

/** Which refusals are on record, so that one repeated every few seconds, or in ten thousand alerts, is put there once. */
export class RefusalRecord {
  /** Oldest first. */
  readonly #told = new Map<string, Told>();

  /** The incident that tells this refusal already; null where it is news, which from now on it is not. */
  alreadyTold(incident: Incident, monotonicMs: number): string | null {
    const key = keyOf(incident);
    const alert = alertOf(incident);
    const told = this.#told.get(key);
    if (told && (told.alert === alert || monotonicMs - told.atMs < SAME_STORY_MS)) return told.id;
    this.#told.delete(key);
    this.#told.set(key, { id: incident.id, alert, atMs: monotonicMs });
    if (this.#told.size > MOST) this.#told.delete(this.#told.keys().next().value!);
    return null;
  }

  /** A restart of the worker: what is refused after it is another story. */
  forget({ app, worker }: Pick<Incident, 'app' | 'worker'>): void {
    for (const key of this.#told.keys()) if (key.startsWith(prefixOf(app, worker))) this.#told.delete(key);
  }
}

const prefixOf = (app: string, worker: string): string => `${app}\u0000${worker}\u0000`;

function keyOf({ app, worker, asked, origin, reason, before }: Incident): string {
  return prefixOf(app, worker) + JSON.stringify([asked, origin, reason, before?.pid, before?.start]);
}

function alertOf({ alert }: Incident): string {
  return JSON.stringify([alert?.fingerprint, alert?.startsAtMs]);
}
