import { shellText } from './command.js';
import { ofApp, run, type Told, type Verdict } from './finding.js';
import type { Entry, ProcessTable } from './processes.js';
import type { AppWorkers } from './workers.js';

export interface OrphanFacts {
  table: Told<ProcessTable>;
  apps: readonly AppWorkers[];
  /** Roots of trees that somebody answers for: the wardens, PM2's daemon and all of its processes, this very process. */
  supervised: readonly number[];
}

/** Who takes in the children of the dead, beside process 1: prctl(2), PR_SET_CHILD_SUBREAPER. The kernel does not tell. */
const REAPERS = new Set(['systemd', 'tini', 'dumb-init', 'docker-init', 'catatonit', 'containerd-shim', 'conmon', 's6-svscan']);

/**
 * Processes of an app that nobody supervises any more, on strong evidence alone: a Node process of this user whose
 * parent has died, and which heapwarden started for that app, or which has the folder and the command line of one of
 * its processes. A systemd service of its own is not one.
 */
export function judgeOrphans({ table, apps, supervised }: OrphanFacts): Verdict {
  if ('why' in table) return { findings: [], notChecked: [`orphaned processes: ${table.why}`] };
  const all = table.value;
  const isCared = caredFor(all, [...supervised, ...apps.flatMap(({ workers }) => workers.map(({ tree }) => tree[0]!.pid))]);
  const strays = [...all.values()].filter((entry) => entry.isOwn && entry.isNode && isOrphan(entry, all) && !isCared(entry));
  const verdict: Verdict = { findings: [], notChecked: [] };
  for (const { app, workers, why } of apps) {
    const known = commandsOf({ app, workers, why });
    // Where the app's own processes are not known, one of them would look like a stray.
    if (why !== null && known.length === 0) verdict.notChecked.push(`orphaned processes of ${ofApp(app.name)}: ${why}`);
    const homes = new Set(workers.flatMap(({ tree }) => tree.map(({ service }) => service?.name)));
    for (const stray of strays) {
      const evidence = evidenceOf(stray, app.name, known, homes);
      if (evidence === null) continue;
      verdict.findings.push({
        code: 'orphan',
        severity: 'problem',
        app: app.name,
        message: `${ofApp(app.name)}: process ${stray.pid} (${shellText(stray.words)}) ${evidence}, its parent has ended, and nobody supervises it`,
        fix: run(`kill ${stray.pid}   (once you have seen that it is not needed)`),
      });
    }
  }
  return verdict;
}

function evidenceOf(stray: Entry, app: string, known: readonly Known[], homes: ReadonlySet<string | undefined>): string | null {
  if (stray.isMarked && stray.app === app) return 'was started for it by a heapwarden';
  if (stray.service !== null && !homes.has(stray.service.name)) return null;
  const isSame = known.some(({ cwd, words }) => cwd === stray.cwd && JSON.stringify(words) === JSON.stringify(stray.words));
  return isSame ? `has its folder (${stray.cwd}) and its command line` : null;
}

interface Known {
  cwd: string | null;
  words: readonly string[];
}

/** How its processes look: as they do, or where none runs, as they would. */
function commandsOf({ app, workers }: AppWorkers): Known[] {
  const { child } = app.supervisor;
  const seen = workers.flatMap(({ tree }) => tree.filter(({ isNode, cwd }) => isNode && cwd !== null));
  return seen.length > 0 || !child ? seen : [{ cwd: child.cwd ?? null, words: child.command }];
}

function isOrphan({ parent }: Entry, all: ProcessTable): boolean {
  const above = all.get(parent);
  if (!above) return false; // it has just ended, or this user may not see it
  // A Node process as the first one of a container is a supervisor, such as pm2-runtime.
  return (parent === 1 && !above.isNode) || REAPERS.has(above.name);
}

/** Whether one of these pids is the process or above it. */
function caredFor(all: ProcessTable, roots: readonly number[]): (entry: Entry) => boolean {
  const known = new Set(roots);
  return (entry) => {
    const seen = new Set<number>();
    for (let at: Entry | undefined = entry; at && !seen.has(at.pid); at = all.get(at.parent)) {
      if (known.has(at.pid)) return true;
      seen.add(at.pid);
    }
    return false;
  };
}
