/** Pure: the figures as Markdown. */
import type { Verdict } from '../agent/report.js';
import { percentile } from '../figures.js';
import { exponentOf } from './growth.js';
import type { Turn } from './measure.js';
import type { RenderingFigures } from './rendering.js';
import { WAYS, type SamplingFigures } from './sampling.js';

/** Of one size: what each contestant has done in each of its turns. */
export interface Findings {
  size: number;
  turns: Record<string, Turn[]>;
  sampling: SamplingFigures[];
  /** Processes that there were on the machine, those that were watched among them. */
  all: number;
}

const short = (value: number): string =>
  Number.isNaN(value) ? '-' : value >= 100 ? String(Math.round(value)) : value.toPrecision(value >= 10 ? 3 : 2);
const median = (values: readonly number[]): number => percentile(values, 0.5);

const FIGURES = {
  'CPU a scrape and a look, ms': ({ cpuMs }: Turn) => cpuMs,
  'of it a look alone, ms': ({ idleCpuMs }: Turn) => idleCpuMs,
  'wall time, ms': ({ wallMs }: Turn) => wallMs,
  bytes: ({ page }: Turn) => page.bytes,
  series: ({ page }: Turn) => page.series,
} satisfies Record<string, (turn: Turn) => number>;

export const medianOf = (turns: readonly Turn[], figure: keyof typeof FIGURES): number => median(turns.map(FIGURES[figure]));

/** One row a contestant and size; ratios are those of the yardstick's figure to the row's own. */
export function scrapeTable(findings: readonly Findings[], yardstick: string): string {
  const names = Object.keys(FIGURES) as (keyof typeof FIGURES)[];
  const rows = findings.flatMap(({ size, turns }) =>
    Object.entries(turns).map(([name, own]) => {
      const ratio = (figure: keyof typeof FIGURES) => medianOf(turns[yardstick] ?? [], figure) / medianOf(own, figure);
      const cells = names.map((figure) => short(medianOf(own, figure)));
      const ratios = name === yardstick ? ['1', '1'] : [short(ratio(names[0]!)), short(ratio('wall time, ms'))];
      return [String(size), name, ...cells, String(own[0]!.page.ofOne.series), ...ratios];
    }),
  );
  return table(['processes', '', ...names, 'series a process', 'CPU: times less', 'wall time: times less'], rows);
}

/** One row a contestant: the exponent of each figure over the sizes. */
export function growthTable(findings: readonly Findings[]): string {
  const names = Object.keys(FIGURES) as (keyof typeof FIGURES)[];
  const contestants = Object.keys(findings[0]?.turns ?? {});
  const exponent = (points: readonly (readonly [number, number])[]) => exponentOf(points).toFixed(2);
  const rows = contestants.map((name) => [
    name,
    ...names.map((figure) => exponent(findings.map(({ size, turns }) => [size, medianOf(turns[name]!, figure)]))),
  ]);
  return table(['grows with the number of processes to the power of', ...names], rows);
}

export function samplingTable(findings: readonly Findings[]): string {
  const header = ['processes', 'on the machine', 'kept descriptors, read', 'and parsed', 'heapwarden', 'times that', 'pidusage'];
  const rows = findings.map(({ size, all, sampling }) => {
    const [limit, parsed, own, reference] = WAYS.map((way) => median(sampling.map((figures) => figures[way])));
    return [String(size), String(all), short(limit!), short(parsed!), short(own!), short(own! / parsed!), short(reference!)];
  });
  const total = (way: (typeof WAYS)[number]) =>
    exponentOf(findings.map(({ size, sampling }) => [size, size * median(sampling.map((figures) => figures[way]))])).toFixed(2);
  const growth = ['exponent', '', ...(['limit', 'limit, parsed', 'heapwarden'] as const).map(total), '', total('pidusage')];
  return table(header, [...rows, ...(findings.length > 1 ? [growth] : [])]);
}

export function renderingTable(all: readonly RenderingFigures[]): string {
  const header = [
    'series', 'workers with agents', 'bytes', 'prom-client, ms', 'it holds the loop, ms', 'heapwarden, ms', 'it holds, ms',
    'scraped, ms', 'it holds, ms',
  ];
  const rows = all.map(({ series, workers, bytes, promClient, heapwarden, scraped }) => [
    String(series), String(workers), String(bytes),
    ...[promClient, heapwarden, scraped].flatMap(({ wallMs, heldMs }) => [short(wallMs), short(heldMs)]),
  ]);
  const total = (of: (figures: RenderingFigures) => number) => exponentOf(all.map((one) => [one.series, of(one)])).toFixed(2);
  const growth = [
    'exponent', '', total(({ bytes }) => bytes),
    ...(['promClient', 'heapwarden', 'scraped'] as const).flatMap((who) => [total((one) => one[who].wallMs), total((one) => one[who].heldMs)]),
  ];
  return table(header, [...rows, ...(all.length > 1 ? [growth] : [])]);
}

/** Of its yardstick's CPU: a tenth, where it tells no less. */
const TIMES_LESS = 10;
/** Of a bare loop that reads and parses what it has kept open. */
const TIMES_A_BARE_LOOK = 3;
const HELD_MS = 20;

/** What issue 7 expects of a scrape, by medians: of the most processes for the CPU, of each size for a look and a page. */
export function judge(findings: readonly Findings[], rendering: readonly RenderingFigures[], yardstick: string): Verdict[] {
  const { size, turns } = findings.at(-1)!;
  const [cpu, theirs] = ['CPU a scrape and a look, ms' as const, turns[yardstick]!];
  const facts = (own: readonly Turn[]): number => own[0]!.page.ofOne.series;
  const ours = Object.entries(turns).filter(([name]) => name.startsWith('heapwarden'));
  const scraped = ours.map(([name, own]): Verdict => {
    const times = medianOf(theirs, cpu) / medianOf(own, cpu);
    return {
      what: `${name}, ${size} processes: a tenth of ${yardstick}'s CPU, and no fewer facts`,
      kept: times >= TIMES_LESS && facts(own) >= facts(theirs),
      found: `${short(times)} times less, ${facts(own)} series a process (${facts(theirs)})`,
    };
  });
  const looks = findings.map(({ size: at, sampling }): Verdict => {
    const times = median(sampling.map((one) => one.heapwarden)) / median(sampling.map((one) => one['limit, parsed']));
    return { what: `a look at ${at} processes within ${TIMES_A_BARE_LOOK} times of a bare loop`, kept: times <= TIMES_A_BARE_LOOK, found: `${short(times)} times` };
  });
  const pages = rendering.map(({ series, scraped: { heldMs } }): Verdict => {
    return { what: `a page of ${series} series holds the event loop for ${HELD_MS} ms at most`, kept: heldMs <= HELD_MS, found: `${short(heldMs)} ms` };
  });
  return [...scraped, ...looks, ...pages];
}

/** What each tells of one process, by the names of its metrics. */
export function factsList(findings: readonly Findings[]): string {
  const { turns } = findings.at(-1)!;
  return Object.entries(turns).map(([name, own]) => `- ${name}: ${own[0]!.page.ofOne.names.join(', ')}`).join('\n');
}

export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, header.map((_, i) => (i === 0 ? ':--' : '--:')), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
