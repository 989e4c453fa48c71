import t from 'tap';
import { systemClock } from '../../src/clock.js';
import type { ProcessTable } from '../../src/supervisors/contract.js';
import type { Systemctl } from '../../src/supervisors/systemctl.js';
import { restartUnit } from '../../src/supervisors/systemd-restart.js';
import { parseUnits } from '../../src/supervisors/systemd-unit.js';
import { memoryLog, stopFirst } from './options.js';

t.test('no descriptors left while systemd restarts a unit: only its downtime is not known', async (t) => {
  const [unit] = parseUnits('Id=shop.service\nType=simple\nActiveState=active\nMainPID=55\nTimeoutStopUSec=1min 30s\n');
  let looks = 0;
  let starve = (): void => {};
  const starved = new Promise<void>((resolve) => (starve = resolve));
  const identify = async (pid: number) => {
    if (looks++ === 0) return { pid, start: 1 };
    starve();
    throw new Error('EMFILE');
  };
  const processes = { identify } as unknown as ProcessTable;
  const systemctl = {
    timeoutMs: 5000,
    resetFailed: async () => {},
    restart: () => starved.then(() => null),
    show: async () => [{ ...unit!, mainPid: 56 }],
  } as unknown as Systemctl;
  const parts = { app: 'shop', systemctl, processes, drain: async () => false, clock: systemClock, log: memoryLog() };
  const options = stopFirst({ stopTimeoutMs: 1000, signal: new AbortController().signal });
  t.strictSame(await restartUnit(unit!, options, parts), { stop: 'exited', pid: 56, goneAt: null, ready: null });
});
