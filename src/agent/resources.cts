/**
 * What keeps the app's loop alive, counted by type. Node lists no timer or socket that is unref'd, as the agent's are,
 * but it does list the immediates by which it delivers GC entries, and by which we end a window: `ownImmediates` of them
 * are left out.
 */
export function countResources({ ownImmediates }: { ownImmediates: number }): Record<string, number> {
  const counts = new Map<string, number>();
  for (const type of process.getActiveResourcesInfo()) counts.set(type, (counts.get(type) ?? 0) + 1);
  counts.set('Immediate', (counts.get('Immediate') ?? 0) - ownImmediates);
  return Object.fromEntries([...counts].filter(([, count]) => count > 0));
}
