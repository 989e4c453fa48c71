/** What doctor's checks are given: configs as written, processes as recorded. */
import type { Test } from 'tap';
import type { Finding, Verdict } from '../../../src/commands/doctor/finding.js';
import { Places } from '../../../src/commands/doctor/places.js';
import type { Entry, ProcessTable } from '../../../src/commands/doctor/processes.js';
import { treeIn } from '../../../src/commands/doctor/processes.js';
import { linesOf } from '../../../src/commands/doctor/report.js';
import type { AppWorkers } from '../../../src/commands/doctor/workers.js';
import { parseConfig } from '../../../src/config/parse.js';
import type { AppConfig, Config } from '../../../src/config/schema.js';

export const FILE = '/srv/heapwarden.yml';

export interface Written {
  config: Config;
  places: Places;
  app(name: string): AppConfig;
}

export function written(text: string): Written {
  const config = parseConfig(text, { file: FILE });
  const app = (name: string): AppConfig => config.apps.find((one) => one.name === name)!;
  return { config, places: new Places(FILE, text, config.apps), app };
}

/** A Node process of this user, unless told otherwise. */
export function entry(pid: number, parent: number, words: string, more: Partial<Entry> = {}): Entry {
  return {
    pid, parent, start: pid, startedAtMs: 0, rssBytes: 30e6, name: 'node', isOwn: true, isNode: true, sharesPids: true, cwd: '/srv/shop',
    words: words.split(' '), isMarked: false, app: null, service: null, ...more,
  };
}

export const tableOf = (...entries: Entry[]): ProcessTable => new Map(entries.map((one) => [one.pid, one]));

/** An app whose workers are the trees under these pids. */
export function running(app: AppConfig, table: ProcessTable, ...roots: number[]): AppWorkers {
  return { app, why: null, workers: roots.map((pid, i) => ({ app, worker: String(i), tree: treeIn(table, pid) })) };
}

/** What a person would read. */
export function says(t: Test, verdict: Verdict, lines: string[], name = 'as a person reads it'): void {
  t.strictSame(linesOf(verdict).slice(0, -1), lines, name);
}

export const codes = ({ findings }: Verdict): string[] => findings.map(({ severity, code }: Finding) => `${severity} ${code}`);
