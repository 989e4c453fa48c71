/** What it takes to look at processes, in this process: ours, pidusage's, and a bare loop that no way can beat. */
import { closeSync, openSync, readSync } from 'node:fs';
import pidusage from 'pidusage';
import { LinuxProcesses, parseProcStat } from '../../../src/observe/linux.js';
import { Sampler } from '../../../src/observe/sampler.js';

export const WAYS = ['limit', 'limit, parsed', 'heapwarden', 'pidusage'] as const;
export type Way = (typeof WAYS)[number];

/** CPU time of one process's share of a look, in µs. */
export type SamplingFigures = Record<Way, number>;

/** `all`: how many processes the machine has, all of which heapwarden looks at. Each way takes `turnCpuMs` of CPU time. */
export async function measureSampling(pids: readonly number[], turnCpuMs = 400): Promise<{ figures: SamplingFigures; all: number }> {
  const processes = new LinuxProcesses();
  const fds: number[] = [];
  const bytes = Buffer.alloc(1024);
  try {
    for (const pid of pids) fds.push(openSync(`/proc/${pid}/stat`, 'r'));
    const sampler = new Sampler(processes);
    const figures = {
      limit: await cpuOf(turnCpuMs, async () => {
        for (const fd of fds) readSync(fd, bytes, 0, bytes.length, 0);
      }),
      'limit, parsed': await cpuOf(turnCpuMs, async () => {
        for (const fd of fds) parseProcStat(bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0)));
      }),
      heapwarden: await cpuOf(turnCpuMs, async () => {
        const { size } = await sampler.sample(pids);
        if (size !== pids.length) throw new Error(`${size} of ${pids.length} processes were measured`);
      }),
      pidusage: await cpuOf(turnCpuMs, async () => {
        await pidusage([...pids], { maxage: 60_000 });
      }),
    };
    const perProcess = Object.fromEntries(WAYS.map((way) => [way, (figures[way] * 1000) / pids.length])) as SamplingFigures;
    return { figures: perProcess, all: (await processes.snapshot()).size };
  } finally {
    pidusage.clear();
    processes.close();
    for (const fd of fds) closeSync(fd);
  }
}

/** CPU time of one call in milliseconds, once it has become fast. */
async function cpuOf(turnCpuMs: number, call: () => Promise<void>): Promise<number> {
  for (let i = 0; i < 3; i++) await call();
  const before = process.cpuUsage();
  for (let calls = 1; ; calls++) {
    await call();
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1000;
    if (cpuMs >= turnCpuMs) return cpuMs / calls;
  }
}
