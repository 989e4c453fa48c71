import t from 'tap';
import { systemClock } from '../../src/clock.js';
import type { Drained, ProcessTable } from '../../src/supervisors/contract.js';
import { NOT_DRAINED } from '../../src/supervisors/drain.js';
import type { Systemctl } from '../../src/supervisors/systemctl.js';
import { restartUnit } from '../../src/supervisors/systemd-restart.js';
import { parseUnits } from '../../src/supervisors/systemd-unit.js';
import { memoryLog, stopFirst } from './options.js';

const DRAIN_MS = 200;

const [UNIT] = parseUnits('Id=shop.service\nType=simple\nActiveState=active\nMainPID=55\nTimeoutStopUSec=1min 30s\n');

/** A graceful restart of process 55, which has gone when systemd is asked. */
function graceful(restart: Systemctl['restart'], closing: AbortController, onLook = () => {}) {
  const told: string[] = [];
  const identify = async (pid: number) => {
    onLook();
    return told.includes('restart') ? null : { pid, start: 1 };
  };
  const systemctl = {
    timeoutMs: 100,
    resetFailed: async () => {},
    restart: (...args: Parameters<typeof restart>) => (told.push('restart'), restart(...args)),
    show: async () => [{ ...UNIT!, mainPid: 56 }],
  } as unknown as Systemctl;
  const drain = () => {
    told.push('drain');
    setImmediate(() => closing.abort(new Error('heapwarden closes')));
    return new Promise<Drained>(() => {}); // its requests take longer
  };
  const processes = { identify, tree: async () => [{ pid: 55, start: 1 }] } as unknown as ProcessTable;
  const parts = { app: 'shop', systemctl, processes, drain, clock: systemClock, log: memoryLog() };
  const options = stopFirst({ stopTimeoutMs: 60_000, signal: closing.signal, mode: 'graceful' });
  return { told, restart: restartUnit(UNIT!, options, parts) };
}

t.test('heapwarden closes while a process is drained: it would serve nobody any more, and is replaced', async (t) => {
  const { told, restart } = graceful(async (_name, _ms, signal) => {
    t.notOk(signal.aborted);
    return null;
  }, new AbortController());
  t.match(await restart, { stop: 'exited', pid: 56 });
  t.strictSame(told, ['drain', 'restart']);
});

t.test('but it does not wait for a unit that takes long to stop: systemd has the job by then', async (t) => {
  const begun = performance.now();
  const { restart } = graceful((_name, _ms, signal) => new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  }), new AbortController());
  await t.rejects(restart, { message: 'heapwarden closes' });
  t.ok(performance.now() - begun >= 99, 'systemctl had the time to hand it over');
});

t.test('heapwarden closes just before: nothing is drained', async (t) => {
  const closing = new AbortController();
  const { told, restart } = graceful(async () => null, closing, () => closing.abort(new Error('heapwarden closes')));
  await t.rejects(restart, { message: 'heapwarden closes' });
  t.strictSame(told, []);
});

t.test('no descriptors left while systemd restarts a unit: only its downtime is not known', async (t) => {
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
    show: async () => [{ ...UNIT!, mainPid: 56 }],
  } as unknown as Systemctl;
  const parts = { app: 'shop', systemctl, processes, drain: async () => NOT_DRAINED, clock: systemClock, log: memoryLog() };
  const options = stopFirst({ stopTimeoutMs: 1000, signal: new AbortController().signal });
  t.strictSame(await restartUnit(UNIT!, options, parts), { stop: 'exited', pid: 56, goneAt: null, ready: null });
});

t.test('what npm runs is drained, too, and is away from then on', async (t) => {
  const drained: number[] = [];
  const drain = async ({ pid }: { pid: number }) => {
    drained.push(pid);
    await systemClock.sleep(DRAIN_MS);
    return { complete: true, deaf: pid === 57 };
  };
  let isGone = false;
  const systemctl = {
    timeoutMs: 5000,
    resetFailed: async () => {},
    restart: async () => ((isGone = true), null),
    show: async () => [{ ...UNIT!, mainPid: 60 }],
  } as unknown as Systemctl;
  const root = { pid: 55, start: 1 };
  const identify = async () => (isGone ? null : root);
  const processes = { identify, tree: async () => [root, { pid: 57, start: 2 }] } as unknown as ProcessTable;
  const parts = { app: 'shop', systemctl, processes, drain, clock: systemClock, log: memoryLog() };
  const begun = systemClock.monotonic();
  const options = stopFirst({ stopTimeoutMs: 1000, signal: new AbortController().signal, mode: 'graceful' });
  const { goneAt } = await restartUnit(UNIT!, options, parts);
  t.strictSame(drained, [55, 57]);
  t.ok(goneAt! - begun < DRAIN_MS);
});
