/** Runs programs of the lab under one warden, and notes what it says of them until it has restarted them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IncidentStatus } from '../../../src/publish/incident-shape.js';
import type { WardenProcess } from '../../integration/warden-process.js';
import type { Scope } from '../scope.js';
import { startLabWarden, type LabApp } from './lab-warden.js';
import type { Word } from './life.js';

const LOOK_MS = 1000;

export interface Watched {
  words: Word[];
  /** Its first restart; null where there was none. */
  incident: IncidentStatus | null;
  /** From its start to the restart, in hours of the lab's clock; null where there was none. */
  life: number | null;
  /** The text of a file of its evidence; '' where it is not there. */
  evidence: Record<string, string>;
}

export interface Session {
  apps: readonly LabApp[];
  /** Names of those that are to be restarted: when all have been, it is over. */
  until: ReadonlySet<string>;
  /** Milliseconds after which it is over in any case. */
  mostMs: number;
  /** And how long it lasts at least. */
  leastMs: number;
}

type Ground = Pick<Scope, 'teardown' | 'passing' | 'comment' | 'signal'>;

/** By app. `recordTo`: an existing folder for the samples that the warden judged by. */
export async function watch(
  scope: Ground,
  session: Session,
  recordTo: string | null = null,
): Promise<Map<string, Watched>> {
  const { apps, until, mostMs, leastMs } = session;
  const warden = await startLabWarden(scope, apps, recordTo);
  const words = new Map(apps.map(({ name }) => [name, new Life()]));
  const hours = new Map(apps.map(({ name, pace }) => [name, pace / 3600]));
  const startedAt = performance.now();
  for (;;) {
    const done = new Set((await warden.restarts()).filter(wasRestarted).map(({ app }) => app));
    const took = performance.now() - startedAt;
    if (took >= mostMs || (took >= leastMs && [...until].every((name) => done.has(name)))) break;
    for (const { app, workers } of await warden.apps()) {
      const [worker] = workers;
      if (worker) words.get(app)?.hear(worker, hours.get(app)!);
    }
    await sleep(LOOK_MS, undefined, { signal: scope.signal });
  }
  const restarts = (await warden.restarts()).toReversed();
  const watched = new Map<string, Watched>();
  for (const { name } of apps) {
    const incident = restarts.find((one) => one.app === name && wasRestarted(one)) ?? null;
    watched.set(name, await told(words.get(name)!, incident, hours.get(name)!));
  }
  await warden.stop();
  return watched;
}

type Result = NonNullable<IncidentStatus['outcome']>['result'];

/** One whose memory was below its limit again when its turn came was called off: its process lives on, untold. */
export const wasRestarted = ({ outcome }: { outcome: { result: Result } | null }): boolean =>
  outcome !== null && outcome.result !== 'cancelled';

type Worker = Awaited<ReturnType<WardenProcess['apps']>>[number]['workers'][number];

/** What was said of an app's first process. */
class Life {
  readonly words: Word[] = [];
  #pid: number | null = null;
  startedAtSeconds: number | null = null;

  hear({ pid, uptime_seconds, leak, forecast_seconds }: Worker, hoursPerSecond: number): void {
    if (pid === null || uptime_seconds === null) return;
    this.#pid ??= pid;
    if (pid !== this.#pid) return;
    this.startedAtSeconds ??= Date.now() / 1000 - uptime_seconds;
    // The warden forecasts by the lab's clock.
    const forecast = forecast_seconds === null ? null : forecast_seconds / 3600;
    this.words.push({ at: uptime_seconds * hoursPerSecond, leak: leak?.class ?? null, forecast });
  }
}

async function told(heard: Life, incident: IncidentStatus | null, hoursPerSecond: number): Promise<Watched> {
  const { words, startedAtSeconds } = heard;
  const lived = incident && startedAtSeconds !== null ? incident.timestamp_seconds - startedAtSeconds : null;
  const life = lived === null ? null : lived * hoursPerSecond;
  const { folder, files } = incident?.outcome?.evidence ?? { folder: null, files: [] };
  const evidence: Record<string, string> = {};
  for (const file of files.filter((name) => name.endsWith('.txt'))) {
    evidence[file] = await readFile(join(folder!, file), 'utf8');
  }
  return { words, incident, life, evidence };
}
