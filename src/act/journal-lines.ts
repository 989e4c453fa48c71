import { isGroup, type Group } from '../config/merge.js';
import { UNTOLD, type AppState } from './app-state.js';
import { MOST_REMEMBERED, remembered, type Outcome, type Recorded } from './incident.js';
import { readText, type LinesReader } from './lines-reader.js';
import { Tallies, type Tally } from './tally.js';

/**
 * The journal: one JSON object a line, appended and never changed. An `incident` line stands before anything is
 * touched; an `outcome` line completes it, and the last one holds; so with an `app` line. A `tally` line counts what has
 * been left out. A line that cannot be read (half written when the power went) harms no other.
 */
export type Line =
  | { v: 1; type: 'incident'; incident: Recorded }
  | { v: 1; type: 'outcome'; id: string; outcome: Outcome }
  | { v: 1; type: 'app'; app: string; state: AppState }
  | { v: 1; type: 'tally'; tally: Tally };

export interface JournalContent {
  /** Oldest first, as many as are remembered. */
  incidents: Recorded[];
  apps: Map<string, AppState>;
  /** Of those that are not. */
  tallies: Tally[];
  /** Number of lines that could not be read. */
  damaged: number;
}

export const textOf = (line: Line): string => `${JSON.stringify(line)}\n`;

/** So many more than are remembered may be held, before they are counted again. */
const SLACK = 2000;

/** Takes a journal line by line, which may be larger than memory, and holds what is remembered. */
export class JournalReader implements LinesReader {
  #incidents = new Map<string, Recorded>();
  /** Ids: a line about one of them is no damage. */
  readonly #forgotten = new Set<string>();
  readonly #apps = new Map<string, AppState>();
  readonly #tallies = new Tallies();
  #damaged = 0;
  #added = 0;

  add(raw: string): void {
    const line = parseLine(raw);
    const known = line?.type === 'outcome' ? this.#incidents.get(line.id) : undefined;
    if (line?.type === 'incident') this.#put(line.incident);
    else if (line?.type === 'app') this.#apps.set(line.app, { ...UNTOLD, ...line.state });
    else if (line?.type === 'tally') this.#tallies.read(line.tally);
    else if (line?.type === 'outcome' && known && known.action !== 'death') known.outcome = line.outcome;
    else if (line?.type !== 'outcome' || !this.#forgotten.has(line.id)) this.#damaged++;
  }

  content(): JournalContent {
    this.#forget();
    return {
      incidents: [...this.#incidents.values()], apps: this.#apps, tallies: this.#tallies.list(), damaged: this.#damaged,
    };
  }

  needed(): string {
    return linesOf(this.content()).map(textOf).join('');
  }

  #put(incident: Recorded): void {
    if (this.#forgotten.has(incident.id)) return; // in a second copy
    this.#incidents.set(incident.id, incident);
    if (++this.#added % SLACK === 0 && this.#incidents.size > MOST_REMEMBERED) this.#forget();
  }

  #forget(): void {
    const kept = new Map(remembered([...this.#incidents.values()]).map((one) => [one.id, one]));
    for (const [id, incident] of this.#incidents) {
      if (kept.has(id)) continue;
      this.#forgotten.add(id);
      this.#tallies.forget(incident);
    }
    this.#incidents = kept;
  }
}

/** Incidents with their outcomes, oldest first. Pure. */
export function parseJournal(text: string): JournalContent {
  return readText(text, new JournalReader()).content();
}

/** All that is remembered, as lines. */
export function linesOf({ incidents, apps, tallies }: Omit<JournalContent, 'damaged'>): Line[] {
  return [
    ...tallies.map((tally) => ({ v: 1, type: 'tally', tally }) as const),
    ...incidents.map((incident) => ({ v: 1, type: 'incident', incident }) as const),
    ...[...apps].map(([app, state]) => ({ v: 1, type: 'app', app, state }) as const),
  ];
}

function parseLine(raw: string): Line | null {
  try {
    const line: unknown = JSON.parse(raw);
    if (!isGroup(line) || line['v'] !== 1) return null;
    const { type, id, incident, outcome, app, state, tally } = line;
    const isWhole =
      (type === 'incident' && isIncident(incident)) ||
      (type === 'outcome' && typeof id === 'string' && isOutcome(outcome)) ||
      (type === 'app' && typeof app === 'string' && isState(state)) ||
      (type === 'tally' && isTally(tally));
    return isWhole ? (line as unknown as Line) : null;
  } catch {
    return null;
  }
}

// The shape of all that the policy, the metrics and the API read. Words are let through: another version has others.

function isIncident(incident: unknown): boolean {
  if (!isGroup(incident)) return false;
  const { action, alert, before, outcome } = incident;
  if (!hasAll(incident, 'string', 'id', 'app', 'worker', 'reason', 'sentence') || !hasAll(incident, 'number', 'atMs')) return false;
  if (action === 'death') return isNullOr(before, isMeasurement) && outcome === null;
  return (
    hasAll(incident, 'string', 'origin', 'asked') &&
    (action === 'restart' || action === 'refuse') &&
    isNullOr(alert, (ref) => hasAll(ref, 'string', 'fingerprint') && hasAll(ref, 'number', 'startsAtMs')) &&
    isNullOr(before, isMeasurement) &&
    isNullOr(incident['outlook'] ?? null, isOutlook) &&
    isNullOr(incident['gain'] ?? null, isGain) &&
    isNullOr(outcome, isOutcome)
  );
}

function isOutcome(outcome: unknown): boolean {
  if (!isGroup(outcome)) return false;
  return (
    hasAll(outcome, 'string', 'result', 'sentence') &&
    hasAll(outcome, 'number', 'atMs') &&
    isNullOr(outcome['after'], isMeasurement)
  );
}

function isOutlook({ leak, forecastMs, measuredMs }: Group): boolean {
  const isLeak = (value: Group): boolean =>
    hasAll(value, 'string', 'class') && hasAll(value, 'number', 'bytesPerSecond', 'confidence') && Array.isArray(value['companions']);
  return isNullOr(leak, isLeak) && (forecastMs === null || typeof forecastMs === 'number') && typeof measuredMs === 'number';
}

const isGain = (value: Group): boolean => hasAll(value, 'number', 'overMs', 'bytes') && isGroup(value['parts']);

const isMeasurement = (value: Group): boolean => hasAll(value, 'number', 'pid', 'start', 'startedAtMs', 'rssBytes');

function isState(state: unknown): boolean {
  if (!isGroup(state)) return false;
  const { pause = null, freshSinceMs = null, schedule = null } = state;
  return (
    isNullOr(pause, ({ untilMs }) => untilMs === null || typeof untilMs === 'number') &&
    (freshSinceMs === null || typeof freshSinceMs === 'number') &&
    isNullOr(schedule, isFollowed)
  );
}

const isFollowed = (known: Group): boolean =>
  hasAll(known, 'string', 'cron') &&
  (known['zone'] === undefined || typeof known['zone'] === 'string') &&
  hasAll(known, 'number', 'seenMs') &&
  ((known['dueAtMs'] ?? null) === null || typeof known['dueAtMs'] === 'number');

const isTally = (tally: unknown): boolean =>
  isGroup(tally) &&
  hasAll(tally, 'string', 'app', 'reason') &&
  hasAll(tally, 'number', 'count') &&
  (tally['result'] === null || typeof tally['result'] === 'string');

const isNullOr = (value: unknown, is: (group: Group) => boolean): boolean =>
  value === null || (isGroup(value) && is(value));

const hasAll = (group: Group, type: 'string' | 'number', ...keys: string[]): boolean =>
  keys.every((key) => typeof group[key] === type);
