/** What leaked and what froze, on every Node at once under one warden. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { IncidentStatus } from '../../src/publish/incident-shape.js';
import { NODE_MAJORS, needParts } from '../parts/index.js';
import { waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

interface Kind {
  file: string;
  limits: string;
  env(place: number): Record<string, string>;
}

/** By major version of Node, the incident of an app that runs on it. */
async function incidentsOf(t: Test, { file, limits, env }: Kind): Promise<Map<number, IncidentStatus> | null> {
  const parts = needParts(t, ...NODE_MAJORS.map((major) => `node-${major}` as const));
  if (!parts) return null;
  const apps = NODE_MAJORS.map((major, i) => `
  - name: on-${major}
    supervisor: { child: { command: ${JSON.stringify([parts[`node-${major}`], appFile(file)])}, env: ${JSON.stringify(env(i))} } }
    limits: { ${limits} }
    evidence: { timeout: 20s }
    restart: { startup_grace: 1s, stop_timeout: 1s, cooldown: 1h }`);
  const warden = await WardenProcess.start(t, { config: `sample_interval: 500ms\napps:${apps.join('')}\n` });
  await warden.ready();
  const finished = async () => (await warden.restarts()).filter(({ outcome }) => outcome);
  const all = await waitFor('a restart of each', async () => {
    const found = new Map((await finished()).map((incident) => [Number(incident.app.slice('on-'.length)), incident]));
    return found.size === NODE_MAJORS.length && found;
  }, 120_000);
  return all;
}

const textOf = ({ outcome }: IncidentStatus, file: string): string => readFileSync(join(outcome!.evidence!.folder!, file), 'utf8');

t.test('a leak', async (t) => {
  const limits = 'rss: { warning: 90MB, critical: 120MB, restart: 150MB, for: 1s }';
  const incidents = await incidentsOf(t, { file: 'leaks-by-name.cjs', limits, env: () => ({ LEAK_PER_TURN: '40' }) });
  for (const [major, incident] of incidents ?? []) {
    const { files, finding, notes } = incident.outcome!.evidence!;
    t.equal(incident.asked, 'rss', `Node ${major}`);
    // Line 6 begins the function, and on line 7 stands the callback in it that makes the most of it.
    t.match(finding, /^\d+% of the [\d.]+ MB .* are from .*leaks-by-name\.cjs:[67]:\d+\)/, `Node ${major}: ${notes.join('; ')}`);
    t.match(textOf(incident, 'suspects.txt'), /\n {3}1\. .*leaks-by-name\.cjs:[67]:\d+\)\n/);
    t.equal(files.includes('report.json'), major >= 20, 'a report from Node 20 on');
  }
});

t.test('a freeze', async (t) => {
  // One process at a time is looked into, so one after the other freezes.
  const env = (place: number) => ({ FREEZE_BY: place % 2 === 0 ? 'loop' : 'regex', FREEZE_AFTER_MS: String(5000 + 4000 * place) });
  const incidents = await incidentsOf(t, { file: 'freezes-by-name.cjs', limits: 'freeze: { restart: 3s }', env });
  for (const [major, incident] of incidents ?? []) {
    const holder = NODE_MAJORS.findIndex((each) => each === major) % 2 === 0 ? 'spinForEver' : 'checkAddress';
    t.equal(incident.asked, 'freeze', `Node ${major}`);
    t.match(incident.outcome!.evidence!.finding, new RegExp(`^its event loop was held by ${holder} \\(.*freezes-by-name\\.cjs:\\d+:\\d+\\)$`), `Node ${major}`);
    t.match(textOf(incident, 'stack.txt'), new RegExp(`\\* at ${holder} \\(.*\n +\\w+: string`));
    t.notMatch(textOf(incident, 'stack.txt'), /hunter2|aaaa/, 'types, never values');
  }
});
