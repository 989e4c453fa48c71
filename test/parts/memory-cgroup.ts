/** A memory cgroup of the test's own, in which the kernel's out-of-memory killer may be had for real. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { cannotRun } from './index.js';
import { until } from './pm2.js';

const LIMIT_FILES = ['memory.limit_in_bytes', 'memory.max'];

/**
 * A new cgroup with this limit, gone at the test's end; null after skipping the suite by name, where this user may not
 * make one. A process joins it when it writes its pid to `cgroup.procs` there.
 */
export async function needMemoryCgroup(t: Test, bytes: number): Promise<string | null> {
  const roots = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'].filter((root) => existsSync(join(root, 'cgroup.procs')));
  for (const root of roots) {
    const folder = join(root, `heapwarden-test-${process.pid}-${Date.now()}`);
    try {
      mkdirSync(folder);
      t.teardown(() => until('the cgroup to be empty', () => removed(folder)));
      const file = LIMIT_FILES.map((name) => join(folder, name)).find((path) => existsSync(path));
      if (file === undefined) continue;
      writeFileSync(file, String(bytes));
      return folder;
    } catch {
      continue; // it is not ours to make
    }
  }
  cannotRun(t, 'it takes a memory cgroup, which this user may not make');
  return null;
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
  } catch {
    return !existsSync(folder);
  }
  return true;
}
