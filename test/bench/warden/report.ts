/** Pure: what the warden's bench has measured, as Markdown. */
import { markdown, type Verdict } from '../agent/report.js';
import { exponentOf } from '../growth.js';
import { medianInterval } from '../interval.js';
import type { Memory } from '../process-cost.js';

export interface Cost extends Memory {
  subject: string;
  workers: number;
  agents: string;
  /** Of one core, 0 to 1. */
  cpuShare: number;
  /** Bytes; null where it does not tell. */
  heapUsed: number | null;
}

/** Linear, and a little for what is measured. */
const MOST_EXPONENT = 1.1;
/** Below that, what a warden costs without any worker is most of it. */
const LEAST_SIZE = 20;

const median = (values: readonly number[]): number => medianInterval(values).median;

/** In the order in which the keys come first; Node 20 has no Map.groupBy. */
function grouped<T>(all: readonly T[], keyOf: (one: T) => string): T[][] {
  const keys = [...new Set(all.map(keyOf))];
  return keys.map((key) => all.filter((one) => keyOf(one) === key));
}

interface Group {
  subject: string;
  workers: number;
  agents: string;
  cpuShare: number;
  rss: number;
  pss: number;
  heapUsed: number | null;
}

function groups(costs: readonly Cost[]): Group[] {
  return grouped(costs, ({ subject, workers, agents }) => `${subject}\n${workers}\n${agents}`).map((all) => {
    const { subject, workers, agents } = all[0]!;
    const heaps = all.flatMap(({ heapUsed }) => heapUsed ?? []);
    return {
      subject,
      workers,
      agents,
      cpuShare: median(all.map(({ cpuShare }) => cpuShare)),
      rss: median(all.map(({ rss }) => rss)),
      pss: median(all.map(({ pss }) => pss)),
      heapUsed: heaps.length > 0 ? median(heaps) : null,
    };
  });
}

/** The warden over real Node.js processes, and the rival over the same. */
function pairOf(all: readonly Group[]): { ours: Group | undefined; theirs: Group | undefined } {
  return { ours: all.find(({ agents }) => agents === 'real agents'), theirs: all.find(({ subject }) => subject !== 'heapwarden') };
}

/** Ratios are to the rival over the same processes. */
export function costTable(costs: readonly Cost[]): string {
  const all = groups(costs);
  const { ours, theirs } = pairOf(all);
  const ratio = (group: Group, of: (group: Group) => number): string =>
    !theirs || !ours ? '-' : group === theirs ? '1' : group === ours ? (of(ours) / of(theirs)).toFixed(2) : '-';
  const rows = all.map((group) => [
    group.subject,
    String(group.workers),
    group.agents,
    `${(100 * group.cpuShare).toFixed(2)} %`,
    (group.rss / 1e6).toFixed(1),
    (group.pss / 1e6).toFixed(1),
    group.heapUsed === null ? '-' : (group.heapUsed / 1e6).toFixed(1),
    ratio(group, ({ cpuShare }) => cpuShare),
    ratio(group, ({ rss }) => rss),
  ]);
  const rival = theirs?.subject ?? 'a rival';
  const header = ['', 'workers', 'agents', 'CPU, of a core', 'resident, MB', 'PSS, MB', 'heap used, MB', `CPU: times ${rival}'s`, `resident: times ${rival}'s`];
  return markdown([header, ...rows]);
}

/** From `LEAST_SIZE` workers on, by kind of agents; those of one size only are left out. */
function growths(costs: readonly Cost[]): { agents: string; sizes: number[]; cpu: number; rss: number; bytesPerWorker: number }[] {
  const large = groups(costs).filter(({ subject, workers }) => subject === 'heapwarden' && workers >= LEAST_SIZE);
  return grouped(large, ({ agents }) => agents).flatMap((all) => {
    const { agents } = all[0]!;
    const sorted = all.toSorted((a, b) => a.workers - b.workers);
    const [least, most] = [sorted[0]!, sorted.at(-1)!];
    const of = (value: (group: Group) => number) => exponentOf(sorted.map((group) => ({ size: group.workers, value: value(group) })));
    const [cpu, rss] = [of(({ cpuShare }) => cpuShare), of((group) => group.rss)];
    if (cpu === null || rss === null) return [];
    const bytesPerWorker = (most.rss - least.rss) / (most.workers - least.workers);
    return [{ agents, sizes: sorted.map(({ workers }) => workers), cpu, rss, bytesPerWorker }];
  });
}

export function growthTable(costs: readonly Cost[]): string {
  const rows = growths(costs).map(({ agents, sizes, cpu, rss, bytesPerWorker }) => [
    agents,
    sizes.join(', '),
    cpu.toFixed(2),
    rss.toFixed(2),
    (bytesPerWorker / 1000).toFixed(0),
  ]);
  return markdown([['growth', 'workers', 'exponent of CPU', 'exponent of resident memory', 'kB a worker'], ...rows]);
}

export function judge(costs: readonly Cost[]): Verdict[] {
  const all = groups(costs);
  const linear = growths(costs).flatMap(({ agents, cpu, rss }) =>
    ([['CPU', cpu], ['resident memory', rss]] as const).map(([what, exponent]) => ({
      what: `${what} of the warden grows at most linearly, ${agents}`,
      kept: exponent <= MOST_EXPONENT,
      found: `exponent ${exponent.toFixed(2)}`,
    })),
  );
  const { ours, theirs } = pairOf(all);
  if (!ours || !theirs) return linear;
  const compare = (what: string, own: number, rival: number): Verdict => ({
    what: `${what} at ${ours.workers} workers: not more than ${theirs.subject}`,
    kept: own <= rival,
    found: `${(own / rival).toFixed(2)} times as much`,
  });
  return [...linear, compare('CPU', ours.cpuShare, theirs.cpuShare), compare('resident memory', ours.rss, theirs.rss)];
}
