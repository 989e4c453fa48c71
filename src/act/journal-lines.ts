import { isGroup } from '../config/merge.js';
import { UNTOLD, type AppState } from './app-state.js';
import { remembered, type Incident, type Outcome } from './incident.js';

/**
 * The journal: one JSON object a line, appended and never changed. An `incident` line stands before anything is
 * touched; an `outcome` line completes it, and the last one holds; so with an `app` line. A line that cannot be read
 * (half written when the power went) harms no other.
 */
export type Line =
  | { v: 1; type: 'incident'; incident: Incident }
  | { v: 1; type: 'outcome'; id: string; outcome: Outcome }
  | { v: 1; type: 'app'; app: string; state: AppState };

export interface JournalContent {
  /** Oldest first, as many as are remembered. */
  incidents: Incident[];
  apps: Map<string, AppState>;
  /** Number of lines that could not be read. */
  damaged: number;
}

export const textOf = (line: Line): string => `${JSON.stringify(line)}\n`;

/** Incidents with their outcomes, oldest first. Pure. */
export function parseJournal(text: string): JournalContent {
  const incidents = new Map<string, Incident>();
  const apps = new Map<string, AppState>();
  let damaged = 0;
  for (const raw of text.split('\n')) {
    if (raw === '') continue;
    const line = parseLine(raw);
    const known = line?.type === 'outcome' ? incidents.get(line.id) : undefined;
    if (line?.type === 'incident') incidents.set(line.incident.id, line.incident);
    else if (line?.type === 'app') apps.set(line.app, { ...UNTOLD, ...line.state });
    else if (line?.type === 'outcome' && known) known.outcome = line.outcome;
    else damaged++;
  }
  return { incidents: remembered([...incidents.values()]), apps, damaged };
}

/** All that is remembered, as lines. */
export function linesOf({ incidents, apps }: Omit<JournalContent, 'damaged'>): Line[] {
  return [
    ...incidents.map((incident) => ({ v: 1, type: 'incident', incident }) as const),
    ...[...apps].map(([app, state]) => ({ v: 1, type: 'app', app, state }) as const),
  ];
}

function parseLine(raw: string): Line | null {
  try {
    const line = JSON.parse(raw) as Partial<Line> | null;
    if (line?.v !== 1) return null;
    if (line.type === 'incident' && isIncident(line.incident)) return line as Line;
    if (line.type === 'outcome' && typeof line.id === 'string' && line.outcome) return line as Line;
    if (line.type === 'app' && typeof line.app === 'string' && isGroup(line.state)) return line as Line;
    return null;
  } catch {
    return null;
  }
}

/** What the policy counts by; the rest is for readers. */
function isIncident(incident: Partial<Incident> | undefined): boolean {
  const { id, app, worker, atMs } = incident ?? {};
  return [id, app, worker].every((name) => typeof name === 'string') && Number.isFinite(atMs);
}
