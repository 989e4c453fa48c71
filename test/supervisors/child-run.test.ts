import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import { ChildRun } from '../../src/supervisors/child-run.js';
import { isAlive, mustIdentify, plainNode, until } from '../observe/support.js';

/** A process that the system does not show to us, so that there is no id to go by. */
function unseen(t: Test): ChildRun {
  const spec = { app: 'shop', worker: '0', command: plainNode('-e', 'setInterval(() => {}, 1e6)'), cwd: t.testdir(), env: process.env };
  return new ChildRun(spec, null, {
    processes: { identify: async () => null, tree: async () => [] },
    clock: systemClock,
    onOutput: () => {},
    onEnd: () => t.fail('its end is no crash'),
  });
}

for (const platform of ['linux', 'win32'] as const) {
  t.test(`what has no identity is ended all the same: ${platform}`, async (t) => {
    t.intercept(process, 'platform', { value: platform });
    const kill = t.capture(process, 'kill', process.kill.bind(process));
    const run = unseen(t);
    const id = await mustIdentify(run.pid!);
    await sleep(50);
    t.equal(await run.identify(), null);
    t.equal((await run.stop(5000)).outcome, 'killed');
    await until('its end', async () => !(await isAlive(id)));
    t.strictSame(run.exit, { code: null, signal: 'SIGKILL' });
    const toGroup = kill().some(({ args: [pid] }) => (pid as number) < 0);
    t.equal(toGroup, platform === 'linux', 'Windows has no process groups');
  });
}
