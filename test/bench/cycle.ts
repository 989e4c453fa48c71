/** One restart for memory, timed from outside. */
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../integration/wait.js';
import { answeringPid, ask, sampleProcess } from './probe.js';

const LOOK_EVERY_MS = 5;
/** PM2 looks every 30 s, and takes 1.6 s to kill: more than this is no delay any more. */
const PATIENCE_MS = 90_000;

export interface CycleOptions {
  port: number;
  limitBytes: number;
  /** From the moment the process answers to the beginning of its leak. */
  delayMs: number;
  signal: AbortSignal;
}

/** Times in milliseconds. */
export interface Cycle {
  /** From the first sample at or above the limit to the old process gone. */
  goneMs: number;
  /** From the same to the first answer of the new one. */
  answeringMs: number;
  /** From the old one gone to the first answer of the new one. */
  downMs: number;
  /** The old one's highest RSS above the limit. */
  overshootBytes: number;
}

/** Makes the app on `port` leak, and watches it being replaced. Throws where that takes more than 90 s. */
export async function measureCycle({ port, limitBytes, delayMs, signal }: CycleOptions): Promise<Cycle> {
  const pid = await waitFor(`an answer on port ${port}`, () => answeringPid(port));
  const first = sampleProcess(pid);
  if (!first || first.rssBytes >= limitBytes) throw new Error(`process ${pid} is above the limit before it leaks`);
  await sleep(delayMs, undefined, { signal });
  await ask(port, '/leak');

  let crossedAt: number | null = null;
  let peakBytes = 0;
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (;;) {
    const sample = sampleProcess(pid);
    if (sample?.start !== first.start) break;
    peakBytes = Math.max(peakBytes, sample.rssBytes);
    if (peakBytes >= limitBytes) crossedAt ??= performance.now();
    if (performance.now() > giveUpAt) throw new Error(`nobody has restarted process ${pid} in ${PATIENCE_MS / 1000} s`);
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
  const goneAt = performance.now();
  if (crossedAt === null) throw new Error(`process ${pid} ended before it had reached the limit`);
  await answerOfAnother(port, pid, signal);
  const answeredAt = performance.now();
  return {
    goneMs: goneAt - crossedAt,
    answeringMs: answeredAt - crossedAt,
    downMs: answeredAt - goneAt,
    overshootBytes: peakBytes - limitBytes,
  };
}

async function answerOfAnother(port: number, pid: number, signal: AbortSignal): Promise<void> {
  const giveUpAt = performance.now() + PATIENCE_MS;
  for (;;) {
    const answering = await answeringPid(port);
    if (answering !== null && answering !== pid) return;
    if (performance.now() > giveUpAt) throw new Error(`process ${pid} has gone, and no other answers on port ${port}`);
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}
