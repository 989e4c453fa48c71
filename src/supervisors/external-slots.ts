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
 * simply have been scaled down, or its new process have come before the old one went; where none is left, it is slot 0
 * again. Pure.
 *
 * @param processes oldest first, so that the oldest is worker 0 where nothing is known yet
 * @param nowMs by the clock that never jumps
 * @param open the only slots that new processes may take, the others waiting without one; null: any, and new ones
 */
export function placeProcesses(
  before: readonly Place[],
  processes: readonly ProcessId[],
  nowMs: number,
  open: ReadonlySet<number> | null = null,
): Place[] {
  const starts = new Map(processes.map(({ pid, start }) => [pid, start]));
  const isThere = (known: ProcessId | null) => known !== null && starts.get(known.pid) === known.start;
  const kept = before.map((place): Place => {
    if (isThere(place.process)) return place;
    return { worker: place.worker, process: null, vacantSince: place.vacantSince ?? nowMs };
  });
  const places = kept.filter(({ vacantSince }) => vacantSince === null || nowMs - vacantSince < VACANT_FOR_MS);
  const byWorker = new Map(places.map((place) => [place.worker, place]));
  const placed = new Set(places.map(({ process }) => process?.pid));
  const free = freeWorkers(byWorker, places.filter(({ process }) => process === null), open);
  for (const process of processes) {
    if (placed.has(process.pid)) continue;
    const next = free.next();
    if (next.done) break;
    byWorker.set(next.value, { worker: next.value, process, vacantSince: null });
  }
  if (byWorker.size === 0) byWorker.set(0, { worker: 0, process: null, vacantSince: nowMs });
  return [...byWorker.values()].toSorted((a, b) => a.worker - b.worker);
}

/** The slots whose process has gone, lowest first, and then numbers that no slot has yet; or only the open ones. */
function* freeWorkers(
  taken: ReadonlyMap<number, Place>,
  vacant: readonly Place[],
  open: ReadonlySet<number> | null,
): Generator<number, void> {
  const workers = vacant.map(({ worker }) => worker).toSorted((a, b) => a - b);
  yield* workers.filter((worker) => open?.has(worker) ?? true);
  if (open) return;
  for (let worker = 0; ; worker++) if (!taken.has(worker)) yield worker;
}
