/** A warden that could not see, or whose clock was set, as real processes; and that a freeze still is one. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  LIMIT_MS,
  LONG_MS,
  freeze,
  hasRestarted,
  heartbeatAge,
  mustFindFreeze,
  standstill,
  start,
} from './freezing.js';
import { never, waitFor } from './wait.js';
import type { WardenProcess } from './warden-process.js';

/** In seconds, as the log tells it: a busy machine adds to it, and has others. */
const longestStandstill = ({ log }: WardenProcess): number =>
  Math.max(0, ...Array.from(log.matchAll(/heapwarden itself stood still for ([\d.]+) s/g), ([, told]) => Number(told)));

// In each of these the app is really frozen when the warden comes back, and goes on before the limit has passed since:
// of the freeze before, the warden has seen nothing. One that trusts its last heartbeat restarts the app at once.
for (const [what, setup, halt] of [
  [
    'a warden that is stopped by SIGSTOP',
    {},
    async (warden: WardenProcess) => {
      warden.child.kill('SIGSTOP');
      await sleep(LONG_MS);
      warden.child.kill('SIGCONT');
    },
  ],
  [
    'a warden whose own loop is blocked',
    { preload: 'warden-blocked.cjs', env: { BLOCK_MS: String(LONG_MS) } },
    async (warden: WardenProcess) => {
      warden.child.kill('SIGUSR2');
      await sleep(LONG_MS);
    },
  ],
] as const) {
  t.test(what, async (t) => {
    const { warden, pid } = await start(t, { ...setup, freezeForMs: LONG_MS + 3000 });
    freeze(pid);
    await halt(warden);
    await waitFor('the warden to notice', () => longestStandstill(warden) > LONG_MS / 1000 - 1);
    await never('an app is restarted', () => hasRestarted(warden), LIMIT_MS + 3000);
    t.equal(await warden.pid('shop'), pid);
    t.ok((await heartbeatAge(warden)) < 10, 'younger than the freeze');
    t.equal(await standstill(warden), null);
    await mustFindFreeze(t, { warden, pid });
  });
}

t.test('a clock that jumps an hour either way', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'hw-clock-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'ahead');
  const scene = await start(t, { preload: 'warden-clock.cjs', env: { CLOCK_FILE: file } });
  const { warden, pid } = scene;
  for (const hours of [1, 0, -1]) {
    const [jump, aheadMs] = [hours === 1 ? '1h ahead' : '1h back', hours * 3_600_000];
    warden.log = '';
    writeFileSync(file, String(aheadMs));
    warden.child.kill('SIGUSR2');
    await waitFor('the warden to notice', () => warden.log.includes(`the clock jumped ${jump}`));
    await never('an app is restarted', () => hasRestarted(warden), LIMIT_MS + 3000);
    const [app] = await warden.apps();
    t.match(app!.workers, [{ pid, up: true, standstill: null }], `${hours} h from the real time`);
    t.strictSame(app!.workers.map(({ levels }) => levels), [{}], 'at no level of any limit');
    const uptime = app!.workers[0]!.uptime_seconds!;
    t.ok(uptime > 0 && uptime < 300, `it has run for ${uptime} s`);
    const age = (await heartbeatAge(warden)) + aheadMs / 1000;
    t.ok(Math.abs(age) < 60, `its heartbeat is ${age} s old by the warden's clock`);
    t.ok((await warden.metric('heapwarden_nodejs_heap_size_used_bytes'))! > 0, 'its figures are there');
  }
  await mustFindFreeze(t, scene);
});
