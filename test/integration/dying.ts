/** Configs of apps that run out of memory, and what must hold for each death. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { IncidentStatus } from '../../src/publish/incident-shape.js';
import { waitFor } from './wait.js';
import type { WardenProcess } from './warden-process.js';

export const configOf = (supervisor: object): string => `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: ${JSON.stringify(supervisor)}
    restart: { budget: 2/1h }
`;

/** The mark is relative to the config file, as `cwd` is. */
export const child = (out: 'heap' | 'memory', command: string[]): object => ({
  child: { command, cwd: '.', env: { RUNS_OUT_OF: out, RUNS_OUT_ONCE: './mark' } },
});

/** The death, when it is on record, and what must hold for each. */
export async function deathIn(t: Test, warden: WardenProcess, reason: string): Promise<{ death: IncidentStatus; text(file: string): string }> {
  const pid = await waitFor('the app to be measured', () => warden.pid('shop'), 60_000);
  const death = await waitFor('a death', async () => (await warden.incidents())[0], 60_000);
  t.match(death, { action: 'death', reason, app: 'shop', worker: '0', origin: null, asked: null, outcome: null, before: { pid } });
  const { folder, files, notes } = death.death!.evidence!;
  t.ok(folder?.startsWith(join(warden.dir, 'evidence', 'shop')) && folder.endsWith(`-0-${reason}`), folder ?? 'none');
  t.match(notes, ['a process that has died cannot be asked: this is what was last known of it, and what it wrote']);
  t.strictSame(readdirSync(folder!).toSorted(), files.toSorted());
  for (const file of files) t.equal(statSync(join(folder!, file)).mode & 0o777, 0o600, file);
  const text = (file: string) => readFileSync(join(folder!, file), 'utf8');
  t.match(JSON.parse(text('incident.json')), { incident: { id: death.id, action: 'death', reason, sentence: death.sentence } });
  t.match(warden.log, death.sentence);
  t.equal(await warden.metric('heapwarden_out_of_memory_deaths_total', { app: 'shop', reason }), 1);
  t.equal(await warden.metric('heapwarden_restart_budget_remaining', { app: 'shop' }), 2, 'no budget counts it');
  await waitFor('its successor', async () => (await warden.pid('shop')) !== pid && (await warden.pid('shop')) !== null, 60_000);
  t.equal((await warden.incidents()).length, 1, 'told once');
  return { death, text };
}
