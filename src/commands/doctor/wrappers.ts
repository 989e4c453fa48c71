import { relative } from 'node:path';
import { formatBytes } from '../../units.js';
import { nodeScript, shellText, wrapperOf } from './command.js';
import { fixIn } from './ecosystem.js';
import { ofApp, run, type Finding, type Fix, type Told, type Verdict } from './finding.js';
import type { Places } from './places.js';
import type { Pm2App } from './pm2-app.js';
import type { Entry } from './processes.js';
import type { AppWorkers, Worker } from './workers.js';

/** npm, yarn or a shell between a supervisor and the app: what is done to the process is done to the wrapper. */
export function judgeWrappers(apps: readonly AppWorkers[], pm2: Told<readonly Pm2App[]>, places: Places): Verdict {
  const verdict: Verdict = { findings: [], notChecked: [] };
  for (const { app, workers, why } of apps) {
    const command = app.supervisor.child?.command;
    const wrapper = command && wrapperOf(command);
    const found = workers.flatMap((worker) => wrappedIn(worker) ?? [])[0]; // one worker is like the other
    if (found) verdict.findings.push(findingOf(found, pm2, places));
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

function findingOf({ worker: { app }, wrappers, inner }: Wrapped, pm2: Told<readonly Pm2App[]>, places: Places): Finding {
  const bytes = wrappers.reduce((sum, { entry }) => sum + entry.rssBytes, 0);
  const names = [...new Set(wrappers.map(({ name }) => name))].join(' and ');
  const [outer] = wrappers;
  const verb = names.includes(' and ') ? 'stand' : 'stands';
  const chain = `${names} (process ${outer!.entry.pid}, ${formatBytes(bytes)} in all) ${verb} between`;
  const what = `the app (process ${inner.pid}, ${shellText(inner.words)})`;
  const isPm2 = app.supervisor.pm2 !== undefined;
  const owner = isPm2 ? 'PM2' : 'heapwarden';
  const harm = harmOf(outer!.name, isPm2, app.supervisor.child?.listen !== undefined, app.memory === 'process');
  return {
    code: 'wrapper',
    severity: harm.isProblem ? 'problem' : 'warning',
    app: app.name,
    message: `${ofApp(app.name)}: ${chain} ${owner} and ${what}: ${harm.words}`,
    fix: isPm2
      ? pm2Fix(app.name, inner, pm2)
      : places.ofApp(app.name, 'supervisor.child.command', `command: ${listOf(inner.words)}`),
  };
}

function harmOf(name: string, isPm2: boolean, listens: boolean, alone: boolean): { words: string; isProblem: boolean } {
  if (alone) return { words: `with memory: process, limits.rss is held against ${name} and never against the app`, isProblem: true };
  if (listens) return { words: `the shared port (listen) needs a command that starts Node itself`, isProblem: true };
  const words = isPm2
    ? `the memory in "pm2 list" and max_memory_restart are ${name}'s, and so are the exit code and "ready" message that PM2 waits for`
    : `the stop signal reaches the app only if ${name} passes it on, and the exit code is ${name}'s`;
  return { words, isProblem: false };
}

function pm2Fix(app: string, inner: Entry, pm2: Told<readonly Pm2App[]>): Fix {
  const known = 'value' in pm2 ? pm2.value.find((candidate) => candidate.app.name === app) : undefined;
  const found = nodeScript(inner.words);
  if (!found) return run("have PM2 start the app's own script instead");
  const script = inner.cwd !== null && found.script.startsWith(`${inner.cwd}/`) ? relative(inner.cwd, found.script) : found.script;
  const keys = [
    `script: ${JSON.stringify(script)}`,
    ...(found.options.length > 0 ? [`node_args: ${JSON.stringify(shellText(found.options))}`] : []),
    ...(found.args.length > 0 ? [`args: ${JSON.stringify(shellText(found.args))}`] : []),
  ];
  const inFile = `${keys.join(', ')}${found.args.length > 0 ? '' : '   (and no args)'}`;
  const name = shellText([known?.name ?? app]);
  const start = [
    `pm2 start ${shellText([script])} --name ${name}`,
    ...(inner.cwd === null ? [] : [`--cwd ${shellText([inner.cwd])}`]),
    ...(found.options.length > 0 ? [`--node-args ${shellText([shellText(found.options)])}`] : []),
    ...(found.args.length > 0 ? [`-- ${shellText(found.args)}`] : []),
  ].join(' ');
  const pattern = /\bscript\b.*\b(?:npm|npx|yarn|pnpm|sh|bash)\b/;
  return known?.ecosystem ? fixIn(known.ecosystem, pattern, inFile) : run(`pm2 delete ${name} && ${start}`);
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

/** A list as YAML has it on one line: what would be read as a number or a word of YAML's own is quoted. */
function listOf(words: readonly string[]): string {
  const isPlain = (word: string) => /^(?:--?[a-z]|\.{0,2}\/|[a-z])[\w./=-]*$/i.test(word) && !/^(?:true|false|null)$/i.test(word);
  return `[${words.map((word) => (isPlain(word) ? word : JSON.stringify(word))).join(', ')}]`;
}
