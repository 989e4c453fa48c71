/** An incident's folder, end to end: what leaked, and what froze. */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { IncidentStatus } from '../../src/publish/incident-shape.js';
import { WardenProcess, appFile } from './warden-process.js';

const app = (file: string, env: Record<string, string>, limits: string, more = '', ...args: string[]): string => `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: { child: { command: ${JSON.stringify([process.execPath, appFile(file), ...args])}, env: ${JSON.stringify(env)} } }
    limits: { ${limits} }
    restart: { startup_grace: 1s, stop_timeout: 1s, cooldown: 1h }
    ${more}`;

async function incidentOf(t: Test, config: string): Promise<{ incident: IncidentStatus; warden: WardenProcess; text(file: string): string }> {
  const warden = await WardenProcess.start(t, { config });
  await warden.ready();
  const incident = await warden.finishedRestart(90_000);
  const { folder, files } = incident.outcome!.evidence!;
  t.ok(folder?.startsWith(join(warden.dir, 'evidence', 'shop')), folder ?? 'no folder');
  t.strictSame(readdirSync(folder!).toSorted(), files.toSorted(), 'the incident tells all that is there');
  for (const file of files) t.equal(statSync(join(folder!, file)).mode & 0o777, 0o600, file);
  return { incident, warden, text: (file) => readFileSync(join(folder!, file), 'utf8') };
}

t.test('a leak: the guilty function stands first', async (t) => {
  const limits = 'rss: { warning: 90MB, critical: 120MB, restart: 170MB, for: 1s }';
  const config = app('leaks-by-name.cjs', { SECRET: 'never to be told' }, limits, '', '--token=never-either');
  const { incident, warden, text } = await incidentOf(t, config);
  const { files, finding, notes } = incident.outcome!.evidence!;
  t.strictSame(files, ['incident.json', 'output.txt', 'allocations.heapprofile', 'report.json', 'suspects.txt'], JSON.stringify(notes));
  // Line 6 begins the function, and on line 7 stands the callback in it that makes the most of it.
  t.match(text('suspects.txt'), /\n {3}1\. .*leaks-by-name\.cjs:[67]:\d+\)\n/);
  t.match(finding, /^\d+% of the [\d.]+ MB .* are from .*leaks-by-name\.cjs:[67]:\d+\)/);
  t.match(warden.log, /shop\/0: \d+% of the .* that it allocated since its warning and still held are from .*; evidence in /);
  t.match(text('output.txt'), /Z stdout remembers \d+\n$/);
  const told = JSON.parse(text('incident.json')) as { process: { at_baseline: { heap_used: number }; at_last: { heap_used: number } } };
  t.match(told, { incident: { id: incident.id, asked: 'rss' }, process: { at_baseline: { active_resources: {} }, at_last: { heap_spaces: {} } } });
  t.ok(told.process.at_last.heap_used > 2 * told.process.at_baseline.heap_used, 'then and at the baseline');
  for (const file of files) t.notMatch(text(file), /never to be told|never-either/, `${file} tells no secret`);
  t.equal(incident.outcome!.result, 'recovered');
});

for (const [by, holder] of [['loop', 'spinForEver'], ['regex', 'checkAddress'], ['native', null]] as const) {
  t.test(`a freeze in a ${by}`, async (t) => {
    const config = app('freezes-by-name.cjs', { FREEZE_BY: by, FREEZE_AFTER_MS: '4000' }, 'freeze: { restart: 3s }');
    const { incident, text } = await incidentOf(t, config);
    const { finding, notes } = incident.outcome!.evidence!;
    t.match(incident, { asked: 'freeze', outcome: { result: 'recovered' } });
    t.match(text('stack.txt'), /^What shop\/0 did \(process \d+, Node\.js [\d.]+\), whose event loop had not turned for /);
    t.match(text('stack.txt'), /\n +\d+ {2}\S+ +(running|sleeping) +\d+% of a CPU\n/, 'what the kernel knows');
    if (holder) {
      t.match(finding, new RegExp(`^its event loop was held by ${holder} \\(.*freezes-by-name\\.cjs:\\d+:\\d+\\)$`));
      t.match(text('stack.txt'), new RegExp(`\\* at ${holder} \\(.*freezes-by-name\\.cjs:\\d+:\\d+\\)\n +\\w+: string`));
    } else {
      t.equal(finding, null);
      t.match(notes.join('\n'), /JavaScript stack could not be had: .*long native call/);
    }
    t.notMatch(text('stack.txt'), /hunter2|aaaa/, 'types, never values');
  });
}
