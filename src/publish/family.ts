/** What the warden knows at one moment, as metric families; every family file turns a view into these. Pure. */
import type { History } from '../act/history.js';
import type { Config } from '../config/schema.js';
import type { Outlook } from '../decide/forecast.js';
import type { SourceHealth } from '../observe/observer.js';
import type { WorkerState } from '../observe/tracker.js';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  /** Samples of one subject share the object: it then becomes text once a page. */
  labels: Labels;
  /** Further ones, behind those; shared likewise. */
  more?: Labels;
  value: number;
  /** Only where it differs from the family's: `…_bucket`, `…_sum`, `…_count`. */
  metricName?: string;
}

export interface Family {
  name: string;
  help: string;
  type: 'gauge' | 'counter' | 'histogram';
  /** Of a fleet they are many: made one by one as they are written, and again for whoever goes over them again. */
  values: Iterable<Sample>;
}

export interface View {
  nowMs: number;
  version: string;
  config: Config;
  lastReload: { successful: boolean; successAtMs: number };
  workers: readonly WorkerState[];
  history: History;
  /** null where nothing has been measured of the worker's process. */
  outlook(worker: WorkerState): Outlook | null;
  agentsConnected: number;
  /** How the looks at the outside went, by source. */
  health: ReadonlyMap<string, SourceHealth>;
}

export function gauge(name: string, help: string, values: Iterable<Sample>): Family {
  return { name, help, type: 'gauge', values };
}

export function counter(name: string, help: string, values: Iterable<Sample>): Family {
  return { name, help, type: 'counter', values };
}

/**
 * The samples that a generator makes of these, as often as they are asked for. Better one that lives as long as the
 * program: V8 forgets the optimized code of a function whose last closure is collected, and compiles it anew.
 */
export function samples<From extends unknown[]>(make: (...from: From) => Generator<Sample>, ...from: From): Iterable<Sample> {
  return { [Symbol.iterator]: () => make(...from) };
}

/** A worker's value; null or undefined where it is not known. It should live as long as the program, too: see `samples`. */
export type ValueOf<Context = undefined> = (worker: WorkerState, context: Context) => number | null | undefined;

/** One sample a worker, for those whose value is known. */
export function perWorker(workers: readonly WorkerState[], value: ValueOf): Iterable<Sample>;
export function perWorker<Context>(workers: readonly WorkerState[], value: ValueOf<Context>, context: Context): Iterable<Sample>;
export function perWorker<Context>(workers: readonly WorkerState[], value: ValueOf<Context | undefined>, context?: Context): Iterable<Sample> {
  return samples(workerSamples<Context | undefined>, workers, value, context);
}

function* workerSamples<Context>(workers: readonly WorkerState[], value: ValueOf<Context>, context: Context): Generator<Sample> {
  for (const worker of workers) {
    const known = value(worker, context);
    if (known !== null && known !== undefined) yield { labels: labelsOf(worker), value: known };
  }
}

export const labelsOf = ({ slot }: WorkerState): Labels => slot;

/** Makes labels of one name, the same object for the same value. */
export function labelMaker(name: string): (value: string) => Labels {
  const made = new Map<string, Labels>();
  return (value) => {
    const known = made.get(value) ?? { [name]: value };
    made.set(value, known);
    return known;
  };
}

export const seconds = (ms: number): number => ms / 1000;
