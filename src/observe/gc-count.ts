/** Pure: a worker's garbage collections as one count, whichever of its processes speaks for it. */
import type { GcHistogram, GcKind, RuntimeStats } from '../agent/protocol.cjs';
import type { ProcessId } from '../supervisors/contract.js';
import { sameProcess } from './identity.js';

type GcHistograms = RuntimeStats['gc'];

/**
 * Of whoever spoke for the worker while it did, not of all its processes: their sum could be more time than there is,
 * and of many that each collect a little it would look as if the worker did little else.
 */
export interface GcCount {
  total: GcHistograms;
  speaker: ProcessId;
  /** What the speaker itself has counted by now. */
  own: GcHistograms;
}

/** `before`: null where nothing has been counted since the root process started. `known`: all of the last look. */
export function countGc(
  before: GcCount | null,
  speaker: ProcessId,
  own: GcHistograms,
  known: readonly ProcessId[],
): GcCount {
  const isSame = before !== null && sameProcess(before.speaker, speaker);
  // Most workers have one process, whose own figures are exact.
  if (!before || (isSame && before.total === before.own)) return { total: own, speaker, own };
  // What it had before it spoke is not the worker's, unless it has only just come.
  const from = isSame ? before.own : known.some((process) => sameProcess(process, speaker)) ? own : null;
  return { total: grown(before.total, from, own), speaker, own };
}

/** Seconds that all of them took. */
export function gcSeconds({ total }: GcCount): number {
  return Object.values(total).reduce((sum, { sum_seconds }) => sum + sum_seconds, 0);
}

function grown(total: GcHistograms, from: GcHistograms | null, to: GcHistograms): GcHistograms {
  const of = (kind: GcKind) => plus(total[kind], from && from[kind], to[kind]);
  return { major: of('major'), minor: of('minor'), incremental: of('incremental'), weakcb: of('weakcb') };
}

function plus(total: GcHistogram, from: GcHistogram | null, to: GcHistogram): GcHistogram {
  const more = (sum: number, before: number, now: number) => sum + Math.max(0, now - before);
  return {
    count: more(total.count, from?.count ?? 0, to.count),
    sum_seconds: more(total.sum_seconds, from?.sum_seconds ?? 0, to.sum_seconds),
    buckets: to.buckets.map((bucket, i) => more(total.buckets[i] ?? 0, from?.buckets[i] ?? 0, bucket)),
  };
}
