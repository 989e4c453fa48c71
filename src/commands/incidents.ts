import type { IncidentStatus } from '../publish/incidents.js';
import { get } from './client.js';
import type { IncidentsOptions } from './options.js';

/** `heapwarden incidents [APP]`: what the running warden has on record, newest first. Returns the exit status. */
export async function incidents(options: IncidentsOptions, print: (line: string) => void): Promise<number> {
  const query = new URLSearchParams({ limit: String(options.limit), ...(options.app === null ? {} : { app: options.app }) });
  const { incidents: found } = (await get(options, `api/v1/incidents?${query}`)) as { incidents: IncidentStatus[] };
  if (options.json) print(JSON.stringify(found, null, 2));
  else if (found.length === 0) print(`nothing is on record${options.app === null ? '' : ` of ${options.app}`}`);
  else for (const incident of found) for (const line of linesOf(incident)) print(line);
  return 0;
}

/** When and what was asked and decided, or died; below it, what came of it. */
function linesOf({ timestamp_seconds, sentence, action, death, outcome }: IncidentStatus): string[] {
  const time = timeOf(timestamp_seconds);
  const first = `${time}  ${sentence}`;
  if (action === 'refuse') return [first];
  if (death) return death.evidence?.folder ? [first, `${' '.repeat(time.length)}  → ${death.evidence.folder}`] : [first];
  const result = outcome ? `${outcome.result}: ${outcome.sentence}` : 'under way';
  const relapse = outcome?.relapsed_timestamp_seconds ?? null;
  const relapsed = relapse === null ? '' : `; back at its limit at ${timeOf(relapse)}`;
  return [first, `${' '.repeat(time.length)}  → ${result}${relapsed}`];
}

const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
