/** Requests a second and CPU a request of all sides, by turns. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { cpuMs } from '../process-cost.js';
import { percentile } from '../figures.js';
import { together, type RunningSide, type Side, type StartOptions } from './sides.js';

const HAMMER = fileURLToPath(new URL('hammer.cjs', import.meta.url));
const BURST_MS = 1000;
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

/** A fresh process of each, all alive at once, a burst on each in turn, `rounds` times; who is first changes. */
export async function measureTurn(
  bare: Side,
  others: readonly Side[],
  hammer: Hammer,
  options: ThroughputOptions,
): Promise<Turn[]> {
  return together([bare, ...others], options, async (running) => {
    for (const side of running) await hammer.burst(side, WARM_MS);
    const bursts = new Map(running.map((side) => [side, [] as Burst[]]));
    for (let round = 0; round < options.rounds; round++) {
      const first = round % running.length;
      for (const side of [...running.slice(first), ...running.slice(0, first)]) {
        bursts.get(side)!.push(await hammer.burst(side, BURST_MS));
      }
    }
    const bareBursts = bursts.get(running[0]!)!;
    return running.map((side) => turnOf(side.side.name, bursts.get(side)!, bareBursts));
  });
}

/** Pure. `bare[i]` was measured beside `own[i]`. */
export function turnOf(side: string, own: readonly Burst[], bare: readonly Burst[]): Turn {
  const median = (of: (burst: Burst, i: number) => number): number => percentile(own.map(of), 0.5);
  return {
    side,
    requestsPerSecond: median(({ requestsPerSecond }) => requestsPerSecond),
    cpuMicrosecondsPerRequest: median(({ cpuMicrosecondsPerRequest }) => cpuMicrosecondsPerRequest),
    requestsRatio: median(({ requestsPerSecond }, i) => requestsPerSecond / bare[i]!.requestsPerSecond),
    cpuRatio: median(({ cpuMicrosecondsPerRequest }, i) => cpuMicrosecondsPerRequest / bare[i]!.cpuMicrosecondsPerRequest),
  };
}
