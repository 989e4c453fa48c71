import { LEVELS, type AppConfig, type Level } from '../../config/schema.js';
import type { MemoryBound } from '../../observe/cgroup.js';
import { formatBytes } from '../../units.js';
import { ofApp, type Finding, type Verdict } from './finding.js';
import type { Places } from './places.js';

export interface MemoryFacts {
  /** Bytes of the machine. */
  machine: number;
  apps: readonly {
    app: AppConfig;
    /** Of all its processes' cgroups and those around them; null where one could not be read. */
    bounds: readonly MemoryBound[] | null;
    /** Why its processes could not be looked at. */
    why: string | null;
  }[];
}

/** Shares of what there is, for limits that leave the kernel room. */
const SHARES: Record<Level, number> = { warning: 0.65, critical: 0.75, restart: 0.85 };

/** A limit that memory can never reach: the kernel kills before that, and without evidence. */
export function judgeMemoryLimits({ machine, apps }: MemoryFacts, places: Places): Verdict {
  const verdict: Verdict = { findings: [], notChecked: [] };
  for (const { app, bounds, why } of apps) {
    const { rss } = app.limits;
    if (rss?.warning === undefined && rss?.critical === undefined && rss?.restart === undefined) continue;
    const missing = why ?? (bounds === null ? 'its control group could not be read' : null);
    if (missing !== null) verdict.notChecked.push(`limits.rss of ${ofApp(app.name)} against its cgroup: ${missing}`);
    const least = [{ file: '', limit: machine, usage: 0 }, ...(bounds ?? [])].reduce((a, b) => (b.limit < a.limit ? b : a));
    verdict.findings.push(...LEVELS.flatMap((level) => findingOf(app, level, least, places)));
  }
  return verdict;
}

function findingOf(app: AppConfig, level: Level, { file, limit }: MemoryBound, places: Places): Finding[] {
  const rss = app.limits.rss!;
  const value = rss[level];
  if (value === undefined || value < limit) return [];
  const bytes = formatBytes(limit);
  const what = file === '' ? `all the memory of this machine (${bytes})` : `the memory limit of its cgroup (${bytes}, ${file})`;
  const harm = level === 'restart' ? 'the kernel kills it before heapwarden restarts it' : `${level} is never reached`;
  // Not below another level that fits.
  const lower = Math.max(0, ...LEVELS.map((other) => rss[other] ?? 0).filter((other) => other < limit));
  const better = Math.max(SHARES[level] * limit, (lower + limit) / 2);
  return [
    {
      code: 'limit_above_memory',
      severity: level === 'restart' ? 'problem' : 'warning',
      app: app.name,
      message: `${ofApp(app.name)}: limits.rss.${level} (${formatBytes(value)}) is not below ${what}: ${harm}`,
      fix: places.ofApp(app.name, `limits.rss.${level}`, `${level}: ${Math.floor(better / 1e6)}MB`),
    },
  ];
}
