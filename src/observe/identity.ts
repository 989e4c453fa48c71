import type { ProcessId } from '../supervisors/contract.js';

export function sameProcess(a: ProcessId | null | undefined, b: ProcessId | null | undefined): boolean {
  return a != null && b != null && a.pid === b.pid && a.start === b.start;
}

/** The process and its descendants among `all`, root first; empty where another process has the pid by now. */
export function treeOf<P extends ProcessId & { parent: number }>(root: ProcessId, all: ReadonlyMap<number, P>): P[] {
  const first = all.get(root.pid);
  return first && sameProcess(first, root) ? withDescendants(first, childrenByParent(all)) : [];
}

/** For many trees out of one snapshot: build the index once. */
export function childrenByParent<P extends ProcessId & { parent: number }>(
  all: ReadonlyMap<number, P>,
): Map<number, P[]> {
  const index = new Map<number, P[]>();
  for (const process of all.values()) {
    const siblings = index.get(process.parent);
    if (siblings) siblings.push(process);
    else index.set(process.parent, [process]);
  }
  return index;
}

export function withDescendants<P extends ProcessId>(root: P, children: ReadonlyMap<number, P[]>): P[] {
  if (!children.has(root.pid)) return [root]; // as most
  // A set: processes are not all read at the same moment, so that a reused pid can close a circle.
  const tree = new Set([root]);
  for (const member of tree) for (const child of children.get(member.pid) ?? []) tree.add(child);
  return [...tree];
}
