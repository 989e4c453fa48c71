/** A child app that the kernel's out-of-memory killer really kills. */
import t from 'tap';
import { needMemoryCgroup } from '../parts/memory-cgroup.js';
import { child, configOf, deathIn } from './dying.js';
import { waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

const MB = 1e6;

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
