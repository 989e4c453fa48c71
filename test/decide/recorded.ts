/** Lives of programs of the leak lab, as its warden saw them (`npm run bench:diagnosis -- --record=DIR`), thinned. */
import { readFileSync } from 'node:fs';
import { Series } from '../../src/observe/series.js';
import { MB, SECOND } from './support.js';

interface Recorded {
  limitMB: number;
  /** Age at which it had been at its limit for 30 s. */
  lifeSeconds: number;
  /**
   * Age in seconds; then, in units of 100 kB, resident memory of the tree and of the process, and heapTotal, heapHeld,
   * heapLive and external of V8. Every second sample, from the end of the startup on.
   */
  rows: [number, number, number, number, number, number | null, number][];
}

const UNIT = MB / 10;

/** `share`: of its life, for how long it is looked at. */
export function relive(name: string, share: number): { series: Series; limitBytes: number; leftMs: number } {
  const text = readFileSync(new URL(`recorded/${name}.json`, import.meta.url), 'utf8');
  const { limitMB, lifeSeconds, rows } = JSON.parse(text) as Recorded;
  const series = new Series();
  for (const [seconds, tree, own, total, held, live, external] of rows) {
    if (seconds > share * lifeSeconds) break;
    const heap = { heapTotal: total * UNIT, heapHeld: held * UNIT, heapLive: live === null ? null : live * UNIT };
    const runtime = { ...heap, external: external * UNIT, gcSeconds: 0, resources: {} };
    series.add({ at: seconds * SECOND, treeRss: tree * UNIT, rootRss: own * UNIT, ownRss: own * UNIT, runtime });
  }
  return { series, limitBytes: limitMB * MB, leftMs: lifeSeconds * SECOND - series.latest!.at };
}
