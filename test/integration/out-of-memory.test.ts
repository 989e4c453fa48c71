/** Processes that really run out of memory: V8's and the kernel's, under heapwarden itself and under PM2. */
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import type { IncidentStatus } from '../../src/publish/incidents.js';
import { needParts } from '../parts/index.js';
import { needMemoryCgroup } from '../parts/memory-cgroup.js';
import { realPm2 } from '../parts/pm2.js';
import { waitFor } from './wait.js';
import { CLI, WardenProcess, appFile } from './warden-process.js';

const run = promisify(execFile);
const MB = 1e6;

const configOf = (supervisor: object): string => `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: ${JSON.stringify(supervisor)}
    restart: { budget: 2/1h }
`;

/** The mark is relative to the config file, as `cwd` is. */
const child = (out: 'heap' | 'memory', command: string[]): object => ({
  child: { command, cwd: '.', env: { RUNS_OUT_OF: out, RUNS_OUT_ONCE: './mark' } },
});

/** The death, when it is on record, and what must hold for each. */
async function deathIn(t: Test, warden: WardenProcess, reason: string): Promise<{ death: IncidentStatus; text(file: string): string }> {
  const pid = await waitFor('the app to be measured', () => warden.pid('shop'));
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
  await waitFor('its successor', async () => (await warden.pid('shop')) !== pid && (await warden.pid('shop')) !== null);
  t.equal((await warden.incidents()).length, 1, 'told once');
  return { death, text };
}

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

for (const exec_mode of ['fork', 'cluster']) {
  t.test(`V8's heap limit under PM2, ${exec_mode} mode`, async (t) => {
    const parts = needParts(t, 'pm2');
    if (!parts) return;
    const pm2 = await realPm2(t, parts.pm2);
    const warden = await WardenProcess.start(t, { config: configOf({ pm2: 'shop-in-pm2' }), env: { PM2_HOME: pm2.home } });
    await warden.ready();
    const agent = import.meta.resolve('heapwarden/agent');
    const env = { HEAPWARDEN_SOCKET: join(warden.dir, 'agent.sock'), RUNS_OUT_OF: 'heap', RUNS_OUT_ONCE: join(warden.dir, 'mark') };
    await pm2.start({ name: 'shop-in-pm2', script: appFile('runs-out.cjs'), exec_mode, env, node_args: `--max-old-space-size=40 --import=${agent}` });
    const { death, text } = await deathIn(t, warden, 'oom_heap');
    t.match(death.sentence, /^shop\/0 died of V8's heap limit: heap .* \(V8 said ".*" and it was ended by SIGABRT\)/);
    t.match(text('output.txt'), /FATAL ERROR: .* JavaScript heap out of memory/);
    t.equal((await pm2.list('shop-in-pm2'))[0]?.pm2_env['restart_time'], 1, 'PM2 started it again, by itself and once');
  });
}
