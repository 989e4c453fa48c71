/** Processes that really run out of memory under real PM2, which starts them again by itself. */
import { join } from 'node:path';
import t from 'tap';
import { needParts } from '../parts/index.js';
import { realPm2 } from '../parts/pm2.js';
import { configOf, deathIn } from './dying.js';
import { WardenProcess, appFile } from './warden-process.js';

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
