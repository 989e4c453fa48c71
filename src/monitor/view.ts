/** What the monitor knows and shows, as one value. */
import type { WardenStatus } from '../http/port.js';
import type { AppAdvice } from '../publish/advice.js';
import type { AppHistory, Range, WorkerHistory } from '../publish/day.js';
import type { IncidentStatus } from '../publish/incident-shape.js';
import type { AppStatus, WorkerStatus } from '../publish/app-shape.js';
import { missingWords } from '../publish/missing-words.js';
import { stateOf, type Tone } from './words.js';

/** What a warden tells of itself at one moment. */
export interface Told {
  status: WardenStatus;
  apps: readonly AppStatus[];
  /** Newest first. */
  incidents: readonly IncidentStatus[];
}

export interface View extends Partial<Told> {
  url: string;
  /** Milliseconds since the Unix epoch. */
  nowMs: number;
  /** When the warden was last heard, in milliseconds since the Unix epoch; null: not yet. */
  heardAtMs: number | null;
  /** Why it is not heard now; null where it is, or has not been asked yet. */
  lost: string | null;
  /** What a person may do about that, as sentences. */
  remedy?: string | null;
  /** null: not known yet. */
  advice: readonly AppAdvice[] | null;
  /** By app. */
  histories: ReadonlyMap<string, AppHistory>;
  range: Range;
  /** `app/worker`; null: the first. */
  selected: string | null;
  help: boolean;
}

export interface Row {
  key: string;
  app: AppStatus;
  worker: WorkerStatus;
  tone: Tone;
  state: string;
  history: WorkerHistory | null;
}

export function rowsOf({ apps = [], histories }: Pick<View, 'apps' | 'histories'>): Row[] {
  return apps.flatMap((app) =>
    app.workers.map((worker) => {
      const [tone, state] = stateOf(worker, app);
      const history = histories.get(app.app)?.workers.find((candidate) => candidate.worker === worker.worker) ?? null;
      return { key: `${app.app}/${worker.worker}`, app, worker, tone, state, history };
    }),
  );
}

/** Of the selected row; 0 also where it has gone. */
export function selectedIndex(rows: readonly Row[], { selected }: Pick<View, 'selected'>): number {
  return Math.max(0, rows.findIndex(({ key }) => key === selected));
}

/** The newest that is known. */
export const gcOf = ({ history }: Row): number | null => history?.gc_ratio.findLast((ratio) => ratio !== null) ?? null;

/** The history with what has been measured since it was asked for. */
export function carriedOn(history: AppHistory, { workers }: AppStatus, nowMs: number): AppHistory {
  const { start_seconds: start, step_seconds: step } = history;
  const slice = Math.floor((nowMs / 1000 - start) / step);
  const length = history.workers[0]?.resident_memory_bytes.length ?? 0;
  if (slice < 0 || slice >= length * 2) return history;
  const shift = Math.max(0, slice - length + 1);
  const moved = <T>(values: readonly (T | null)[]): (T | null)[] => [...values.slice(shift), ...Array<null>(shift).fill(null)];
  return {
    ...history,
    start_seconds: start + shift * step,
    workers: history.workers.map((own) => {
      const memory = moved(own.resident_memory_bytes);
      const now = workers.find(({ worker }) => worker === own.worker)?.resident_memory_bytes ?? null;
      const at = slice - shift;
      if (now !== null) memory[at] = Math.max(memory[at] ?? 0, now);
      return { ...own, resident_memory_bytes: memory, gc_ratio: moved(own.gc_ratio) };
    }),
  };
}

/** What is wrong with the warden itself, in sentences without an end. */
export function troublesOf({ config_ok, state_writable }: WardenStatus): string[] {
  const troubles = [];
  if (!state_writable) troubles.push('the state file CANNOT be written: nothing is restarted until it can');
  if (!config_ok) troubles.push('the last reload of the config failed; the one before stays');
  return troubles;
}

/** Apps that are configured, and of which their supervisors have nothing. */
export function missingOf({ apps = [] }: Pick<View, 'apps'>): string[] {
  return apps.flatMap((app) => {
    const words = missingWords(app);
    return words === null ? [] : [`${app.app} ${words}`];
  });
}

export function summaryOf(rows: readonly Row[]): string {
  const count = (tone: Tone): number => rows.filter((row) => row.tone === tone).length;
  const parts = [`${rows.filter(({ worker }) => worker.up).length} of ${rows.length} workers up`];
  if (count('down') > 0) parts.push(`${count('down')} down`);
  if (count('critical') > 0) parts.push(`${count('critical')} critical`);
  if (count('warning') > 0) parts.push(`${count('warning')} warning`);
  return parts.join(', ');
}

/** The most urgent that somebody can do something about: of the selected worker first, then of any. */
export function adviceLine({ advice }: Pick<View, 'advice'>, row: Row | null): string | null {
  const all = (advice ?? []).flatMap(({ app, advice: own }) => own.filter(({ change }) => change !== null).map((one) => ({ app, ...one })));
  const mine = all.find(({ app, workers }) => app === row?.app.app && workers.includes(row.worker.worker));
  const found = mine ?? all[0];
  if (!found) return null;
  const worker = found === mine ? row!.worker.worker : found.workers[0];
  return `${found.app}/${worker} ${found.sentence} → ${found.change}`;
}
