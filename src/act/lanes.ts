/**
 * Works on so many of them at a time, begun in their order. Rejects as soon as one does; then no other is begun.
 */
export async function inLanes<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  // Taken from by all lanes; where one fails, its loop closes the generator, and the others find nothing more.
  const rest = (function* () {
    yield* items;
  })();
  const lane = async (): Promise<void> => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane));
}
