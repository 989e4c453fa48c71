import type { ProcessId } from '../supervisors/contract.js';

export function sameProcess(a: ProcessId | null, b: ProcessId | null): boolean {
  return a !== null && b !== null && a.pid === b.pid && a.start === b.start;
}

/** The process and its descendants among `all`, root first; empty where another process has the pid by now. */
export function treeOf<P extends ProcessId & { parent: number }>(root: ProcessId, all: ReadonlyMap<number, P>): P[] {
  const first = all.get(root.pid);
  return first && sameProcess(first, root) ? withDescendants(first, childrenByParent(all)) : [];
}

/** For many trees out of one snapshot: build the index once. */
export function childrenByParent<P extends ProcessId & { parent: number }>(all: ReadonlyMap<number, P>): Map<number, P[]> {
  const index = new Map<number, P[]>();
  for (const process of all.values()) {
    const siblings = index.get(process.parent);
    if (siblings) siblings.push(process);
    else index.set(process.parent, [process]);
  }
  return index;
}

export function withDescendants<P extends ProcessId>(root: P, children: ReadonlyMap<number, P[]>): P[] {
  const tree = [root];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]!.pid) ?? []));
  return tree;
}
