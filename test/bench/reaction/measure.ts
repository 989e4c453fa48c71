/** From a limit crossed to the stop signal, as the app itself sees both. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../integration/wait.js';
import { freePort } from '../../parts/prometheus.js';
import { phases } from '../figures.js';
import { answeringPid, ask } from '../probe.js';
import type { Scope } from '../scope.js';
import { LIMIT_BYTES, type Contestant } from './contestants.js';

/** PM2 looks every 30 s: more than this is no delay any more. */
const PATIENCE_MS = 120_000;
/** For the app's own start to be seen by whoever watches it. */
const REST_MS = 1000;

export interface Reaction {
  name: string;
  /** Milliseconds from crossing to signal, one a run. */
  ms: number[];
  /** Why there are not all; null: there are. */
  error: string | null;
}

interface Report {
  pid: number;
  crossedAtMs: number | null;
  signalAtMs: number;
}

export async function measureReaction(
  contestant: Contestant,
  runs: number,
  { scope, pm2Program, onRun }: { scope: Scope; pm2Program: string | null; onRun(done: number): void },
): Promise<number[]> {
  const { signal } = scope;
  const port = await freePort();
  const report = join(scope.testdir(), 'report');
  const env = { PORT: String(port), REPORT: report, LIMIT_BYTES: String(LIMIT_BYTES) };
  const settled = await contestant.start({ scope, port, env, pm2Program });
  const times: number[] = [];
  let before: number | null = null;
  for (const delayMs of phases(runs, contestant.periodMs, Math.random)) {
    const pid = await waitFor(`a new process on port ${port}`, async () => {
      const answering = await answeringPid(port);
      return answering !== before && answering;
    }, PATIENCE_MS);
    if (before !== null) await settled();
    await sleep(REST_MS + delayMs, undefined, { signal });
    await ask(port, '/grow', 10_000);
    const { crossedAtMs, signalAtMs } = await waitFor('the stop signal', () => {
      signal.throwIfAborted();
      return reportOf(report, pid);
    }, PATIENCE_MS);
    if (crossedAtMs === null) throw new Error(`process ${pid} was stopped before it had reached the limit`);
    times.push(signalAtMs - crossedAtMs);
    before = pid;
    onRun(times.length);
  }
  return times;
}

async function reportOf(file: string, pid: number): Promise<Report | null> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const lines = text.split('\n').slice(0, -1).map((line) => JSON.parse(line) as Report);
  return lines.find((line) => line.pid === pid) ?? null;
}
