/** Requests a second and CPU a request of each side beside the bare app, by turns. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { cpuMs } from '../process-cost.js';
import { medianInterval } from '../interval.js';
import { together, type RunningSide, type Side, type StartOptions } from './sides.js';

const HAMMER = fileURLToPath(new URL('hammer.cjs', import.meta.url));
const BURST_MS = 1000;
/** V8 has compiled by then what is asked for again and again. */
const WARM_MS = 2000;

export interface Burst {
  requestsPerSecond: number;
  cpuMicrosecondsPerRequest: number;
}

/** One restart of a pair: medians over its bursts; the ratios are each burst's to that of the bare app beside it. */
export interface Turn extends Burst {
  side: string;
  requestsRatio: number;
  cpuRatio: number;
}

export interface ThroughputOptions extends StartOptions {
  rounds: number;
  /** Of the load; null: any. */
  loadCpu: number | null;
}

/** The load generator's process. */
export class Hammer {
  readonly #child: ChildProcess;

  constructor(cpu: number | null) {
    const under = cpu === null ? {} : { execPath: 'taskset', execArgv: ['-c', String(cpu), process.execPath] };
    this.#child = fork(HAMMER, { execArgv: [], ...under, env: { PATH: process.env['PATH'] } });
  }

  async burst({ port, pid }: RunningSide, forMs: number): Promise<Burst> {
    const before = cpuMs(pid);
    const answer = once(this.#child, 'message');
    this.#child.send({ port, forMs });
    const [{ requests, ms, error }] = (await answer) as [{ requests: number; ms: number; error?: string }];
    if (error !== undefined) throw new Error(`the load broke off: ${error}`);
    return {
      requestsPerSecond: (requests / ms) * 1000,
      cpuMicrosecondsPerRequest: ((cpuMs(pid) - before) / requests) * 1000,
    };
  }

  close(): void {
    this.#child.kill('SIGKILL');
  }
}

/**
 * A fresh process of each, both alive at once, one burst on each in turn, `rounds` times: what else goes on in the
 * machine changes from second to second. Who is first changes, too. Only these two: of more, the one that all are
 * compared with would be asked most, and its code and data would be in the CPU's caches when others' are not.
 */
export async function measurePair(bare: Side, side: Side, hammer: Hammer, options: ThroughputOptions): Promise<Turn> {
  return together([bare, side], options, async ([alone, other]) => {
    for (const running of [alone!, other!]) await hammer.burst(running, WARM_MS);
    const pairs: Pair[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const bursts = new Map<RunningSide, Burst>();
      for (const running of round % 2 === 0 ? [alone!, other!] : [other!, alone!]) bursts.set(running, await hammer.burst(running, BURST_MS));
      pairs.push({ own: bursts.get(other!)!, bare: bursts.get(alone!)! });
    }
    return turnOf(side.name, pairs);
  });
}

/** Neighbours in time. */
export interface Pair {
  own: Burst;
  bare: Burst;
}

/** Pure. */
export function turnOf(side: string, pairs: readonly Pair[]): Turn {
  const median = (of: (pair: Pair) => number): number => medianInterval(pairs.map(of)).median;
  return {
    side,
    requestsPerSecond: median(({ own }) => own.requestsPerSecond),
    cpuMicrosecondsPerRequest: median(({ own }) => own.cpuMicrosecondsPerRequest),
    requestsRatio: median(({ own, bare }) => own.requestsPerSecond / bare.requestsPerSecond),
    cpuRatio: median(({ own, bare }) => own.cpuMicrosecondsPerRequest / bare.cpuMicrosecondsPerRequest),
  };
}
