/** Requests a second and CPU a request of all sides, by turns. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { cpuMs } from '../process-cost.js';
import { percentile } from '../figures.js';
import { together, type RunningSide, type Side, type StartOptions } from './sides.js';

const HAMMER = fileURLToPath(new URL('hammer.cjs', import.meta.url));
const BURST_MS = 500;
/** V8 has compiled by then what is asked for again and again. */
const WARM_MS = 2000;

export interface Burst {
  requestsPerSecond: number;
  cpuMicrosecondsPerRequest: number;
}

/** One restart of all sides: medians over its bursts; the ratios are each burst's to that of the bare app beside it. */
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
 * A fresh process of each, all alive at once, a burst on each in turn, `rounds` times, with one on the bare app before
 * and after it: what else goes on in the machine changes from second to second. Who is first changes, too.
 */
export async function measureTurn(
  bare: Side,
  others: readonly Side[],
  hammer: Hammer,
  options: ThroughputOptions,
): Promise<Turn[]> {
  return together([bare, ...others], options, async ([first, ...rest]) => {
    for (const side of [first!, ...rest]) await hammer.burst(side, WARM_MS);
    const pairs = new Map(rest.map((side) => [side, [] as Pair[]]));
    const alone: Burst[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const from = round % rest.length;
      let before = await hammer.burst(first!, BURST_MS);
      for (const side of [...rest.slice(from), ...rest.slice(0, from)]) {
        const own = await hammer.burst(side, BURST_MS);
        const after = await hammer.burst(first!, BURST_MS);
        pairs.get(side)!.push({ own, bare: between(before, after) });
        alone.push(after);
        before = after;
      }
    }
    return [
      turnOf(bare.name, alone.map((own) => ({ own, bare: own }))),
      ...rest.map((side) => turnOf(side.side.name, pairs.get(side)!)),
    ];
  });
}

/** Neighbours in time. */
export interface Pair {
  own: Burst;
  bare: Burst;
}

const between = (a: Burst, b: Burst): Burst => ({
  requestsPerSecond: (a.requestsPerSecond + b.requestsPerSecond) / 2,
  cpuMicrosecondsPerRequest: (a.cpuMicrosecondsPerRequest + b.cpuMicrosecondsPerRequest) / 2,
});

/** Pure. */
export function turnOf(side: string, pairs: readonly Pair[]): Turn {
  const median = (of: (pair: Pair) => number): number => percentile(pairs.map(of), 0.5);
  return {
    side,
    requestsPerSecond: median(({ own }) => own.requestsPerSecond),
    cpuMicrosecondsPerRequest: median(({ own }) => own.cpuMicrosecondsPerRequest),
    requestsRatio: median(({ own, bare }) => own.requestsPerSecond / bare.requestsPerSecond),
    cpuRatio: median(({ own, bare }) => own.cpuMicrosecondsPerRequest / bare.cpuMicrosecondsPerRequest),
  };
}
