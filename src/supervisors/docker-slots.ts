import type { Container } from './docker-container.js';

/** What a slot is given by. */
export type Placeable = Pick<Container, 'name' | 'composeNumber'>;

/**
 * The slot of each container, by its name. A container of compose has the slot of its number (the first is number 1,
 * slot 0), which it keeps however often it is made anew. The others have those they had before, which are held for a
 * name that has gone until a new one needs the place: a container that is replaced is away for a moment. New names
 * take the lowest free slots in the order of the alphabet. So do those of two compose services that share a number, and
 * the container that compose makes beside the one it is about to replace, until that has gone.
 */
export function placeContainers(
  before: ReadonlyMap<string, number>,
  containers: readonly Placeable[],
): Map<string, number> {
  const present = containers.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const placed = new Map<string, number>();
  const taken = new Set<number>();
  const place = (name: string, slot: number): void => {
    if (placed.has(name) || taken.has(slot)) return;
    placed.set(name, slot);
    taken.add(slot);
  };
  const composed = present.flatMap(({ name, composeNumber }) => (composeNumber === null ? [] : { name, slot: composeNumber - 1 }));
  for (const { name, slot } of composed) if (before.get(name) === slot) place(name, slot);
  for (const { name, slot } of composed) place(name, slot);
  for (const { name } of present) if (before.has(name)) place(name, before.get(name)!);
  for (const { name } of present) {
    let slot = 0;
    while (!placed.has(name) && taken.has(slot)) slot++;
    place(name, slot);
  }
  for (const [name, slot] of before) place(name, slot); // those that have gone, where nobody has taken their place
  return placed;
}
