/** Pure: whether all is as it should be. */
import { forecastWords } from '../publish/leak-words.js';
import { missingWords } from '../publish/missing-words.js';
import { rowsOf, summaryOf, troublesOf, type Row, type Told } from './view.js';
import { memoryWords, roughly, type Tone } from './words.js';

/** What is not as it should be; `worker` null: of the whole app. */
export interface Wrong {
  app: string;
  worker: string | null;
  level: Extract<Tone, 'warning' | 'critical' | 'down'>;
  sentence: string;
}

export interface Health {
  ok: boolean;
  summary: string;
  /** Of the warden itself, in sentences without an end. */
  troubles: string[];
  wrong: Wrong[];
  /** Not wrong, and worth knowing: where memory is heading. */
  notes: { app: string; worker: string; sentence: string }[];
}

export function healthOf({ status, apps }: Pick<Told, 'status' | 'apps'>): Health {
  const rows = rowsOf({ apps, histories: new Map() });
  const troubles = troublesOf(status);
  const spent = apps.filter(({ restart_budget_remaining: left }) => left === 0).map(
    ({ app }): Wrong => ({ app, worker: null, level: 'warning', sentence: 'its restart budget is used up: nothing of it is restarted until some of it is back' }),
  );
  const missing = apps.flatMap((app): Wrong[] => {
    const words = missingWords(app);
    return words === null ? [] : [{ app: app.app, worker: null, level: 'down', sentence: `it ${words}` }];
  });
  const wrong = [...rows.flatMap(wrongOf), ...missing, ...spent];
  const notes = rows.flatMap((row) => {
    const sentence = row.tone === 'good' ? forecastWords(row.worker, row.app.limits.rss?.restart, roughly) : null;
    return sentence === null ? [] : [{ app: row.app.app, worker: row.worker.worker, sentence: `its memory ${sentence}` }];
  });
  return { ok: troubles.length === 0 && wrong.length === 0, summary: summaryOf(rows), troubles, wrong, notes };
}

function wrongOf({ app, worker, tone, state }: Row): Wrong[] {
  if (tone === 'good' || tone === 'notice') return [];
  const memory = worker.resident_memory_bytes === null ? '' : `; memory ${memoryWords(worker, app)}`;
  return [{ app: app.app, worker: worker.worker, level: tone, sentence: `${state}${memory}` }];
}
