import { formatBytes } from '../../units.js';
import { shellText, wrapperOf } from './command.js';
import { ofApp, type Finding, type Told, type Verdict } from './finding.js';
import type { Places } from './places.js';
import type { Pm2App } from './pm2-app.js';
import type { Entry } from './processes.js';
import type { AppWorkers, Worker } from './workers.js';
import { fixOf, harmOf, starterOf } from './wrapper-advice.js';

/** npm, yarn or a shell between a supervisor and the app: what is done to the process is done to the wrapper. */
export function judgeWrappers(apps: readonly AppWorkers[], pm2: Told<readonly Pm2App[]>, places: Places): Verdict {
  const verdict: Verdict = { findings: [], notChecked: [] };
  for (const { app, workers, why } of apps) {
    const command = app.supervisor.child?.command;
    const wrapper = command && wrapperOf(command);
    const found = workers.flatMap((worker) => wrappedIn(worker) ?? [])[0]; // one worker is like the other
    if (found) verdict.findings.push(...findingsOf(found, pm2, places));
    // What is below a shell is not known before it runs: it may exec the app, and be gone then.
    else if (workers.length === 0 && wrapper && why === null) verdict.findings.push(fromCommand(app.name, wrapper, places));
    else if (why !== null) verdict.notChecked.push(`wrappers around ${ofApp(app.name)}: ${why}`);
  }
  return verdict;
}

interface Wrapped {
  worker: Worker;
  /** Outermost first. */
  wrappers: readonly { entry: Entry; name: string }[];
  inner: Entry;
}

/** null where the root is the app itself, and where no Node process is below what looks like a wrapper. Pure. */
function wrappedIn(worker: Worker): Wrapped | null {
  const [root] = worker.tree;
  if (!root || wrapperOf(root.words) === null) return null;
  const inner = worker.tree.find(({ isNode, words }) => isNode && wrapperOf(words) === null);
  if (!inner) return null;
  const byPid = new Map(worker.tree.map((entry) => [entry.pid, entry]));
  const wrappers: { entry: Entry; name: string }[] = [];
  for (let above = byPid.get(inner.parent); above; above = above === root ? undefined : byPid.get(above.parent)) {
    const name = wrapperOf(above.words);
    if (name !== null) wrappers.unshift({ entry: above, name });
  }
  return { worker, wrappers, inner };
}

function findingsOf(wrapped: Wrapped, pm2: Told<readonly Pm2App[]>, places: Places): Finding[] {
  const { worker: { app }, wrappers, inner } = wrapped;
  const [outer] = wrappers;
  const harm = harmOf(app, outer!.name);
  if (!harm) return [];
  const bytes = wrappers.reduce((sum, { entry }) => sum + entry.rssBytes, 0);
  const names = [...new Set(wrappers.map(({ name }) => name))].join(' and ');
  const verb = names.includes(' and ') ? 'stand' : 'stands';
  const chain = `${names} (process ${outer!.entry.pid}, ${formatBytes(bytes)} in all) ${verb} between`;
  const what = `the app (process ${inner.pid}, ${shellText(inner.words)})`;
  const message = `${ofApp(app.name)}: ${chain} ${starterOf(app)} and ${what}: ${harm.words}`;
  const severity = harm.isProblem ? 'problem' : 'warning';
  return [{ code: 'wrapper', severity, app: app.name, message, fix: fixOf(app, inner, pm2, places) }];
}

function fromCommand(app: string, wrapper: string, places: Places): Finding {
  return {
    code: 'wrapper',
    severity: 'warning',
    app,
    message: `${ofApp(app)}: its command starts ${wrapper}, which will stand between heapwarden and the app`,
    fix: places.ofApp(app, 'supervisor.child.command', `command: [node, …]   (the script that ${wrapper} starts)`),
  };
}
