import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { RuntimeStats } from './protocol.cjs';

export type HeapStats = Pick<
  RuntimeStats,
  'heap_used' | 'heap_total' | 'heap_limit' | 'external' | 'array_buffers' | 'heap_spaces'
>;

export function readHeap(): HeapStats {
  const heap = getHeapStatistics();
  const { external, arrayBuffers } = process.memoryUsage();
  const spaces = getHeapSpaceStatistics().map((space) => [shortName(space.space_name), space.space_used_size] as const);
  return {
    heap_used: heap.used_heap_size,
    heap_total: heap.total_heap_size,
    heap_limit: heap.heap_size_limit,
    external,
    array_buffers: arrayBuffers,
    heap_spaces: Object.fromEntries(spaces),
  };
}

/** Bytes in use outside the young generation. */
export function liveHeap(): number {
  const young = getHeapSpaceStatistics()
    .filter((space) => space.space_name.startsWith('new_'))
    .reduce((sum, space) => sum + space.space_used_size, 0);
  return Math.max(0, getHeapStatistics().used_heap_size - young);
}

function shortName(space: string): string {
  return space.replace(/_space$/, '');
}
