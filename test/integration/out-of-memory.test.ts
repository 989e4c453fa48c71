/** Child apps that really run out of V8's heap. The kernel's memory has a file of its own: each takes its time. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { needParts } from '../parts/index.js';
import { child, configOf, deathIn } from './dying.js';
import { CLI, WardenProcess, appFile } from './warden-process.js';

const run = promisify(execFile);

for (const version of [20, 22, 24, 26] as const) {
  t.test(`V8's heap limit, Node ${version}`, async (t) => {
    const parts = needParts(t, `node-${version}`);
    if (!parts) return;
    const command = [parts[`node-${version}`], '--max-old-space-size=40', appFile('runs-out.cjs')];
    const warden = await WardenProcess.start(t, { config: configOf(child('heap', command)) });
    await warden.ready();
    const { death, text } = await deathIn(t, warden, 'oom_heap');
    t.match(death.sentence, /^shop\/0 died of V8's heap limit: heap [\d.]+ MB of [\d.]+ MB, resident [\d.]+ MB at [\d:]{8}Z \(V8 said ".*" and it was ended by SIGABRT\); raise --max-old-space-size, or have it restarted before with a limit on heap$/);
    t.match(text('output.txt'), /^started as \d+\n/);
    t.match(text('output.txt'), /FATAL ERROR: .* JavaScript heap out of memory/);
    const { process } = JSON.parse(text('incident.json')) as { process: { at_baseline: { heap_used: number }; at_last: { heap_used: number } } };
    t.ok(process.at_last.heap_used > 1.5 * process.at_baseline.heap_used, 'then, and at its baseline');

    if (version !== 20) return;
    const listed = await run(globalThis.process.execPath, [CLI, 'incidents', `--url=${warden.url}`]);
    t.equal(listed.stdout, `${new Date(death.timestamp_seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z')}  ${death.sentence}\n                      → ${death.death!.evidence!.folder}\n`);
  });
}

t.test('below a shell, as below npm', async (t) => {
  const command = ['sh', '-c', `"$0" --max-old-space-size=40 ${appFile('runs-out.cjs')}; exit $?`, process.execPath];
  const warden = await WardenProcess.start(t, { config: configOf(child('heap', command)) });
  await warden.ready();
  const { death } = await deathIn(t, warden, 'oom_heap');
  t.match(death.sentence, /\(V8 said ".*" and it exited with code 134\)/);
});
