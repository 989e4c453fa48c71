/**
 * The slot of each key, which is how an owner names one of its processes: those known before keep theirs, a new one
 * takes the lowest that is free, in the order in which they are given.
 */
export function placeSlots<K>(before: ReadonlyMap<K, number>, keys: readonly K[]): Map<K, number> {
  const placed = new Map([...before].filter(([key]) => keys.includes(key)));
  const taken = new Set(placed.values());
  for (const key of keys) {
    if (placed.has(key)) continue;
    let slot = 0;
    while (taken.has(slot)) slot++;
    taken.add(slot);
    placed.set(key, slot);
  }
  return placed;
}
