/** Pure: what the agent's bench has measured, as Markdown. */
import { medianInterval } from '../interval.js';
import type { Idle } from './idle.js';
import type { Turn } from './throughput.js';

const MEGABYTE = 1e6;

export function markdown(rows: readonly (readonly string[])[]): string {
  const [header = [], ...body] = rows;
  return [header, header.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const withInterval = (values: readonly number[], digits: number): string => {
  const { median, low, high } = medianInterval(values);
  return `${median.toFixed(digits)} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
};

const namesOf = (results: readonly { side: string }[]): string[] => [...new Set(results.map(({ side }) => side))];

/** One row a side; the interval of each median is that of medianInterval. The bare app's ratio is 1 by its meaning. */
export function throughputTable(turns: readonly Turn[]): string {
  const rows = namesOf(turns).map((name) => {
    const own = turns.filter(({ side }) => side === name);
    return [
      name,
      String(own.length),
      Math.round(medianInterval(own.map((turn) => turn.requestsPerSecond)).median).toLocaleString('en'),
      withInterval(own.map((turn) => turn.requestsRatio), 3),
      medianInterval(own.map((turn) => turn.cpuMicrosecondsPerRequest)).median.toFixed(1),
      withInterval(own.map((turn) => turn.cpuRatio), 3),
    ];
  });
  return markdown([['app', 'restarts', 'requests/s', 'of bare', 'CPU a request, µs', 'of bare'], ...rows]);
}

/** One row a side; what it takes beyond the bare app is told restart by restart, both having run at once. */
export function idleTable(results: readonly Idle[], bareName: string): string {
  const bare = results.filter(({ side }) => side === bareName);
  const rows = namesOf(results).map((name) => {
    const own = results.filter(({ side }) => side === name);
    const beyond = (of: (idle: Idle) => number, unit: number, digits: number): string =>
      withInterval(own.map((idle, i) => (of(idle) - of(bare[i]!)) / unit), digits);
    return [
      name,
      String(own.length),
      `${(100 * medianInterval(own.map(({ cpuShare }) => cpuShare)).median).toFixed(3)} %`,
      beyond(({ cpuShare }) => cpuShare, 0.01, 3),
      (medianInterval(own.map(({ rss }) => rss)).median / MEGABYTE).toFixed(1),
      beyond(({ rss }) => rss, MEGABYTE, 2),
      beyond(({ pss }) => pss, MEGABYTE, 2),
    ];
  });
  return markdown([
    ['app, idle', 'restarts', 'CPU, of a core', 'beyond bare, %', 'resident, MB', 'beyond bare, MB', 'the same of PSS'],
    ...rows,
  ]);
}

export interface Verdict {
  what: string;
  kept: boolean;
  found: string;
}

/** What issue 7 expects of the agent, by medians. `agent` and `rival`: names of sides. */
export function judge(turns: readonly Turn[], idles: readonly Idle[], names: { bare: string; agent: string; rival: string }): Verdict[] {
  const medianOf = <T extends { side: string }>(all: readonly T[], side: string, of: (one: T) => number): number | null => {
    const own = all.filter((one) => one.side === side).map(of);
    return own.length > 0 ? medianInterval(own).median : null;
  };
  const verdict = (what: string, value: number | null, isKept: (value: number) => boolean, unit: string, digits: number): Verdict =>
    value === null ? { what, kept: false, found: 'not measured' } : { what, kept: isKept(value), found: `${value.toFixed(digits)}${unit}` };
  const { bare, agent, rival } = names;
  const requests = medianOf(turns, agent, (turn) => turn.requestsRatio);
  const rivals = medianOf(turns, rival, (turn) => turn.requestsRatio);
  const bares = idles.filter(({ side }) => side === bare);
  const agents = idles.filter(({ side }) => side === agent);
  const extra = agents.length > 0 ? medianInterval(agents.map(({ rss }, i) => (rss - bares[i]!.rss) / MEGABYTE)).median : null;
  const cpu = medianOf(idles, agent, ({ cpuShare }) => 100 * cpuShare);
  return [
    ...(turns.length > 0
      ? [
          verdict(`${agent}: at least 0.99 of the bare app's requests`, requests, (value) => value >= 0.99, '', 3),
          ...(rivals === null
            ? []
            : [
                verdict(
                  `${agent}: not fewer requests than ${rival}`,
                  requests === null ? null : requests - rivals,
                  (value) => value >= 0,
                  ' of the bare app more',
                  3,
                ),
              ]),
        ]
      : []),
    ...(idles.length > 0
      ? [
          verdict(`${agent}: resident memory at most 1 MB more`, extra, (value) => value <= 1, ' MB', 2),
          verdict(`${agent}: idle CPU at most 0.3 % of a core`, cpu, (value) => value <= 0.3, ' %', 3),
        ]
      : []),
  ];
}
