/** Linux: cgroups(7). */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Where systemd's own tree of control groups is: the whole of /sys/fs/cgroup on a machine of today; beside cgroup v1,
 * one of these two ("hybrid" and "legacy"): systemd's docs/CGROUP_DELEGATION.md.
 */
const TREES = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd'];

/**
 * Pids of all processes in a control group and those below it; none where it has gone. `group` as systemd writes it,
 * from the root of its tree: `/system.slice/shop.service`.
 */
export async function processesIn(group: string, trees: readonly string[] = TREES): Promise<number[]> {
  for (const tree of trees) {
    const found = await pidsBelow(join(tree, group));
    if (found.length > 0) return found;
  }
  return [];
}

async function pidsBelow(folder: string): Promise<number[]> {
  // Either may go while it is read, with all its processes.
  const own = await readFile(join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory());
  const below = await Promise.all(folders.map(({ name }) => pidsBelow(join(folder, name))));
  // 0 is a process of another pid namespace, which nobody here can name.
  return [...own.split('\n').map(Number).filter((pid) => pid > 0), ...below.flat()];
}
