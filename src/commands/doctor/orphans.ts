import { shellText } from './command.js';
import { ofApp, run, type Finding, type Told, type Verdict } from './finding.js';
import type { Entry, ProcessTable } from './processes.js';
import type { AppWorkers } from './workers.js';

export interface OrphanFacts {
  table: Told<ProcessTable>;
  apps: readonly AppWorkers[];
  /** Roots of trees that somebody answers for: the wardens, PM2's daemon and all of its processes, this very process. */
  supervised: readonly number[];
}

/**
 * Who takes in the children of the dead, beside process 1: prctl(2), PR_SET_CHILD_SUBREAPER. The kernel does not tell.
 * Not who runs a container (containerd-shim, conmon, docker-init): its child is that container's app, even one that has
 * the machine's pids. Inside of a container, such an init is process 1.
 */
const REAPERS = new Set(['systemd', 's6-svscan']);

/**
 * Processes of an app that nobody supervises any more, on strong evidence alone: a Node process of this user whose
 * parent has died, and which heapwarden started for that app, or which has the folder and the command line of one of
 * its processes. A systemd service of its own is not one, nor is a process of another container, whose folder only has
 * the same name.
 */
export function judgeOrphans({ table, apps, supervised }: OrphanFacts): Verdict {
  if ('why' in table) return { findings: [], notChecked: [`orphaned processes: ${table.why}`] };
  const all = table.value;
  const isCared = caredFor(all, [...supervised, ...apps.flatMap(({ workers }) => workers.map(({ tree }) => tree[0]!.pid))]);
  const candidates = [...all.values()].filter(({ isOwn, isNode, sharesPids }) => isOwn && isNode && sharesPids);
  const strays = candidates.filter((entry) => isOrphan(entry, all) && !isCared(entry));
  const known = apps.map((app) => ({ ...app, commands: commandsOf(app), homes: homesOf(app) }));
  return {
    findings: strays.flatMap((stray) => findingOf(stray, known)),
    // Where an app's own processes are not known, one of them would look like a stray.
    notChecked: known.flatMap(({ app, commands, why }) =>
      why !== null && commands.length === 0 ? [`orphaned processes of ${ofApp(app.name)}: ${why}`] : [],
    ),
  };
}

interface KnownApp extends AppWorkers {
  commands: readonly Known[];
  /** Names of the systemd services in which its processes are. */
  homes: ReadonlySet<string | undefined>;
}

function findingOf(stray: Entry, apps: readonly KnownApp[]): Finding[] {
  // Two apps may run the same script; the process is one.
  const matches = apps.flatMap((known) => {
    const evidence = evidenceOf(stray, known);
    return evidence === null ? [] : [{ name: known.app.name, evidence }];
  });
  const [first] = matches;
  if (!first) return [];
  const owner = matches.map(({ name }) => ofApp(name)).join(' or ');
  const what = `process ${stray.pid} (${shellText(stray.words)}) ${first.evidence}`;
  const message = `${owner}: ${what}, its parent has ended, and nobody supervises it`;
  const fix = run(`kill ${stray.pid}   (once you have seen that it is not needed)`);
  return [{ code: 'orphan', severity: 'problem', app: matches.length === 1 ? first.name : null, message, fix }];
}

function evidenceOf(stray: Entry, { app, commands, homes }: KnownApp): string | null {
  if (stray.isMarked && stray.app === app.name) return 'was started for it by a heapwarden';
  if (stray.service !== null && !homes.has(stray.service.name)) return null;
  const isSame = commands.some(({ cwd, words }) => cwd === stray.cwd && JSON.stringify(words) === JSON.stringify(stray.words));
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

function homesOf({ workers }: AppWorkers): KnownApp['homes'] {
  return new Set(workers.flatMap(({ tree }) => tree.map(({ service }) => service?.name)));
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
