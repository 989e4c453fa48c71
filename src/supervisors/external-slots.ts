import type { ProcessId } from './contract.js';

/** How long the place of a process that has gone is kept for its successor, in milliseconds. */
export const VACANT_FOR_MS = 3_600_000;

export interface Place {
  worker: number;
  process: ProcessId | null;
  /** By the clock that never jumps; null while there is a process. */
  vacantSince: number | null;
}

/**
 * The slots of processes that nobody has numbered. Each keeps its process for as long as that lives; a new process
 * takes the lowest slot whose own has gone, else a new one. An empty slot is forgotten after an hour, since the app may
 * simply have been scaled down; slot 0 never. Pure.
 *
 * @param processes oldest first, so that the oldest is worker 0 where nothing is known yet
 * @param nowMs by the clock that never jumps
 */
export function placeProcesses(before: readonly Place[], processes: readonly ProcessId[], nowMs: number): Place[] {
  const isThere = (known: ProcessId | null) => known !== null && processes.some((found) => same(found, known));
  const kept = before.map((place): Place => {
    if (isThere(place.process)) return place;
    return { worker: place.worker, process: null, vacantSince: place.vacantSince ?? nowMs };
  });
  const places = kept.filter(({ worker, vacantSince }) => worker === 0 || vacantSince === null || nowMs - vacantSince < VACANT_FOR_MS);
  for (const process of processes) {
    if (places.some((place) => place.process && same(place.process, process))) continue;
    const vacant = places.toSorted(byWorker).find((place) => place.process === null);
    const filled = { worker: vacant?.worker ?? lowestFree(places), process, vacantSince: null };
    places.splice(vacant ? places.indexOf(vacant) : places.length, vacant ? 1 : 0, filled);
  }
  if (!places.some(({ worker }) => worker === 0)) places.push({ worker: 0, process: null, vacantSince: nowMs });
  return places.toSorted(byWorker);
}

const same = (a: ProcessId, b: ProcessId): boolean => a.pid === b.pid && a.start === b.start;
const byWorker = (a: Place, b: Place): number => a.worker - b.worker;

function lowestFree(places: readonly Place[]): number {
  let worker = 0;
  while (places.some((place) => place.worker === worker)) worker++;
  return worker;
}
