/** An app that freezes when it is told to, and a warden that restarts it for that after three seconds. */
import type { Test } from 'tap';
import { waitFor } from './wait.js';
import { WardenProcess, appFile } from './warden-process.js';

const HEARTBEAT = 'heapwarden_nodejs_eventloop_heartbeat_timestamp_seconds';
/** Milliseconds of the app's restart limit, and longer than that and than all the warden adds. */
export const LIMIT_MS = 3000;
export const LONG_MS = 8000;

export interface Scene {
  warden: WardenProcess;
  pid: number;
}

export interface Setup {
  /** The warden's. */
  env?: Record<string, string>;
  /** Of test/apps, loaded into the warden before it: by Node's own arguments, which it keeps where it starts itself over. */
  preload?: string;
  /** Node's, for the app. */
  args?: string[];
  freezeForMs?: number;
}

export async function start(t: Test, { env = {}, preload, args = [], freezeForMs = Infinity }: Setup = {}): Promise<Scene> {
  const command = JSON.stringify([process.execPath, ...args, appFile('freezes.mjs')]);
  const appEnv = JSON.stringify({ FREEZE_AFTER_MS: '100000000', FREEZE_FOR_MS: String(freezeForMs) });
  const warden = await WardenProcess.start(t, {
    env,
    runner: [process.execPath, ...(preload === undefined ? [] : [`--require=${appFile(preload)}`])],
    config: `
sample_interval: 500ms
apps:
  - name: shop
    supervisor: { child: { command: ${command}, env: ${appEnv} } }
    limits: { freeze: { restart: ${LIMIT_MS}ms } }
    restart: { startup_grace: 1s, stop_timeout: 1s, cooldown: 1s }
`,
  });
  await warden.ready();
  await waitFor('a heartbeat', () => warden.metric(HEARTBEAT));
  await untilTurning(warden, 'shop');
  const pid = await waitFor('the app', () => warden.pid('shop'));
  return { warden, pid };
}

/** test/apps/freezes.mjs hears its signals from now on; before, they would end it. */
export const untilTurning = (warden: WardenProcess, app: string): Promise<boolean> =>
  waitFor('the app to turn', () => warden.log.includes(`${app}/0 | turns`));

export const freeze = (pid: number): boolean => process.kill(pid, 'SIGUSR2');
export const standstill = async (warden: WardenProcess) => (await warden.apps())[0]!.workers[0]!.standstill;
export const hasRestarted = async (warden: WardenProcess): Promise<boolean> => (await warden.restarts()).length > 0;
/** In seconds, by the real time. */
export const heartbeatAge = async (warden: WardenProcess): Promise<number> =>
  Date.now() / 1000 - (await warden.metric(HEARTBEAT))!;

/** The counterpart of every test: the same app in the same warden, really frozen now. */
export async function mustFindFreeze(t: Test, { warden, pid }: Scene): Promise<void> {
  freeze(pid);
  const incident = await warden.finishedRestart(40_000);
  const outcome = { result: 'recovered', stop: 'killed' };
  t.match(incident, { asked: 'freeze', origin: 'guard', before: { pid }, outcome });
}
