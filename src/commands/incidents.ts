import { clean } from '../monitor/cells.js';
import type { IncidentStatus } from '../publish/incident-shape.js';
import { get } from './client.js';
import type { IncidentsOptions } from './options.js';

/** `heapwarden incidents [APP]`: what the running warden has on record, newest first. Returns the exit status. */
export async function incidents(options: IncidentsOptions, print: (line: string) => void): Promise<number> {
  const query = new URLSearchParams({ limit: String(options.limit), ...(options.app === null ? {} : { app: options.app }) });
  const { incidents: found } = (await get(options, `api/v1/incidents?${query}`)) as { incidents: IncidentStatus[] };
  if (options.json) print(JSON.stringify(found, null, 2));
  else if (found.length === 0) print(`nothing is on record${options.app === null ? '' : ` of ${options.app}`}`);
  else for (const incident of found) for (const line of linesOf(incident)) print(clean(line, { unicode: true }));
  return 0;
}

/** When and what was asked and decided, or died; below it, what came of it. */
function linesOf({ timestamp_seconds, sentence, action, death, outcome }: IncidentStatus): string[] {
  const time = timeOf(timestamp_seconds);
  const below = (text: string): string => `${' '.repeat(time.length)}  → ${text}`;
  const first = `${time}  ${sentence}`;
  if (action === 'refuse') return [first];
  if (death) return [first, ...evidenceLines(death.evidence).map(below)];
  const result = outcome ? `${outcome.result}: ${outcome.sentence}` : 'under way';
  const relapse = outcome?.relapsed_timestamp_seconds ?? null;
  const relapsed = relapse === null ? '' : `; back at its limit at ${timeOf(relapse)}`;
  return [first, below(`${result}${relapsed}`), ...evidenceLines(outcome?.evidence ?? null).map(below)];
}

type Evidence = NonNullable<IncidentStatus['outcome']>['evidence'];

function evidenceLines(evidence: Evidence): string[] {
  return [evidence?.finding, evidence?.folder].filter((line) => typeof line === 'string');
}

const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');
