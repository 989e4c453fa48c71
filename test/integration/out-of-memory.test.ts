/** Processes of child apps that really run out of memory: of V8's, and of the kernel's. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';
import { needParts } from '../parts/index.js';
import { needMemoryCgroup } from '../parts/memory-cgroup.js';
import { configOf, deathIn } from './dying.js';
import { waitFor } from './wait.js';
import { CLI, WardenProcess, appFile } from './warden-process.js';

const run = promisify(execFile);
const MB = 1e6;

/** The mark is relative to the config file, as `cwd` is. */
const child = (out: 'heap' | 'memory', command: string[]): object => ({
  child: { command, cwd: '.', env: { RUNS_OUT_OF: out, RUNS_OUT_ONCE: './mark' } },
});

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
    const { process } = JSON.parse(text('incident.json')) as { process: { at_first: { heap_used: number }; at_last: { heap_used: number } } };
    t.ok(process.at_last.heap_used > 1.5 * process.at_first.heap_used, 'then, and when it was first seen');

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

t.test("the kernel's killer", async (t) => {
  const cgroup = await needMemoryCgroup(t, 120 * MB);
  if (!cgroup) return;
  const command = ['sh', '-c', `echo $$ > ${cgroup}/cgroup.procs; exec "$0" ${appFile('runs-out.cjs')}`, process.execPath];
  const config = configOf(child('memory', command));
  const warden = await WardenProcess.start(t, { config });
  await warden.ready();
  const { death, text } = await deathIn(t, warden, 'oom_kernel');
  const { pid, resident_memory_bytes: rss } = death.before!;
  const evidence = `(the kernel's log names process ${pid}|the count of its cgroup's out-of-memory kills rose \\(${cgroup}\\))`;
  t.match(death.sentence, new RegExp(`^shop/0 was killed by the kernel for want of memory: heap .* MB, resident [\\d.]+ MB at [\\d:]{8}Z \\(it was ended by SIGKILL, and ${evidence}\\); give it more memory, or have it restarted before with a limit on rss$`));
  t.ok(rss > 60 * MB && rss < 170 * MB, String(rss));
  t.equal(text('output.txt'), `started as ${pid}\n`);

  // A kill by somebody else is none of the kernel's, though the count has risen before.
  await waitFor('a death to be no news any more', async () => (await warden.apps())[0]?.workers[0]?.up);
  process.kill((await warden.pid('shop'))!, 'SIGKILL');
  await waitFor('its end to be told', () => /was ended by SIGKILL(.|\n)*was ended by SIGKILL/.test(warden.log));
  await waitFor('the next one', async () => (await warden.apps())[0]?.workers[0]?.up);
  await warden.stop();

  // The next warden knows of it, tells it once, and counts on.
  const next = await WardenProcess.start(t, { config, dir: warden.dir });
  await next.ready();
  t.strictSame(await next.incidents(), [death]);
  t.equal(await next.metric('heapwarden_out_of_memory_deaths_total', { app: 'shop', reason: 'oom_kernel' }), 1);
  t.notMatch(next.log, /want of memory/);
});
