import { keysOfAgent } from '../../config/notices.js';
import type { AppConfig } from '../../config/schema.js';
import type { WorkerStatus } from '../../publish/app-shape.js';
import { agentFix, type AgentSources } from './agent-fix.js';
import { shellText } from './command.js';
import { ofApp, run, type Finding, type Told, type Verdict } from './finding.js';
import type { Places } from './places.js';

export interface AgentFacts extends AgentSources {
  apps: readonly AppConfig[];
  /** Of each app, as the running warden tells. */
  statuses: Told<ReadonlyMap<string, readonly AgentWorker[]>>;
  /** How long that warden has run; null where that is not known. */
  wardenAgeMs: number | null;
  /** heapwarden's own version. */
  version: string;
}

/**
 * `node`: of the process where no agent has told it, by asking its executable; null where that did not say. `isInReach`:
 * it is Node.js, and of the warden's own user and network, which `runtime: inspector` takes.
 */
export type AgentWorker = Pick<WorkerStatus, 'worker' | 'up' | 'pid' | 'node_version' | 'agent_version' | 'uptime_seconds'> & {
  node: string | null;
  isInReach: boolean;
};

/** The oldest Node.js on which the agent runs: package.json's `engines`. */
export const OLDEST_AGENT_NODE = 18;
/** An agent that finds no warden knocks again after ten seconds at most (link.cts), and a busy app starts slowly. */
const REPORTS_WITHIN_MS = 15_000;

export function judgeAgents(facts: AgentFacts, places: Places): Verdict {
  const watched = facts.apps.filter(({ runtime }) => runtime !== 'none');
  const verdict: Verdict = { findings: [], notChecked: [] };
  if (watched.length === 0) return verdict;
  if ('why' in facts.statuses) return { ...verdict, notChecked: [`the agents: ${facts.statuses.why}`] };
  for (const app of watched) {
    const workers = (facts.statuses.value.get(app.name) ?? []).filter(({ up }) => up);
    if (workers.length === 0) verdict.notChecked.push(`the agent of ${ofApp(app.name)}: no process of it runs`);
    const silent = workers.filter(({ node_version }) => node_version === null);
    const old = workers.filter(({ node_version, agent_version }) => node_version !== null && isOlder(agent_version, facts.version));
    const late = silent.filter((worker) => agesOf(worker, facts).every((ms) => ms >= REPORTS_WITHIN_MS));
    if (late.length < silent.length) {
      const again = `ask again in ${REPORTS_WITHIN_MS / 1000} s`;
      verdict.notChecked.push(`the agent of ${ofApp(app.name)}: it, or heapwarden, has just started; ${again}`);
    }
    if (late[0]) verdict.findings.push(missing(app, late, facts, places));
    if (old[0]) verdict.findings.push(outdated(app, old, facts.version));
  }
  return verdict;
}

const agesOf = (worker: AgentWorker, { wardenAgeMs }: AgentFacts): number[] => [
  (worker.uptime_seconds ?? 0) * 1000,
  ...(wardenAgeMs === null ? [] : [wardenAgeMs]),
];

function missing(app: AppConfig, workers: readonly AgentWorker[], facts: AgentFacts, places: Places): Finding {
  const which = workers.map(({ worker, pid }) => `worker ${worker}, process ${pid}`).join('; ');
  const node = workers.find((worker) => worker.node !== null && Number(worker.node.split('.')[0]) < OLDEST_AGENT_NODE)?.node;
  if (node != null) {
    return {
      code: 'node_too_old',
      severity: 'problem',
      app: app.name,
      message: `${ofApp(app.name)}: it runs on Node.js ${node}, and the agent needs ${OLDEST_AGENT_NODE} or newer (${which})`,
      fix:
        keysOfAgent(app).length > 0
          ? run(`start it with Node.js ${OLDEST_AGENT_NODE} or newer`)
          : places.ofApp(app.name, 'runtime', 'runtime: none   (or a newer Node.js)'),
    };
  }
  const lost = [
    ...(app.limits.heap ? ['limits.heap'] : []),
    ...(app.limits.freeze ? ['limits.freeze'] : []),
    ...keysOfAgent(app),
  ];
  const effect = lost.length > 0 ? `${lost.join(', ')} cannot work` : 'nothing is known of its heap and its event loop';
  const areInReach = workers.every(({ isInReach }) => isInReach);
  const told =
    app.runtime === 'inspector'
      ? 'it has not been attached to, and the log of heapwarden says why'
      : 'its agent has never reported in';
  return {
    code: 'agent_missing',
    severity: lost.length > 0 ? 'problem' : 'warning',
    app: app.name,
    message: `${ofApp(app.name)}: runtime is ${app.runtime}, and ${told} (${which}): ${effect}`,
    fix: app.runtime === 'inspector' ? null : agentFix(app, areInReach, facts, places),
  };
}

function outdated(app: AppConfig, workers: readonly AgentWorker[], version: string): Finding {
  const [{ agent_version: theirs }] = workers as [AgentWorker];
  const told = theirs === null ? 'does not tell its version, as older ones do not' : `is of version ${theirs}`;
  return {
    code: 'agent_old',
    severity: 'warning',
    app: app.name,
    message: `${ofApp(app.name)}: its agent ${told}, and heapwarden of ${version}; it was loaded before heapwarden was updated`,
    fix: run(`heapwarden restart ${shellText([app.name])}   (if it is old again, its node_args name another heapwarden's agent)`),
  };
}

/** By major, minor and patch; without a version it is older than any. Pure. */
export function isOlder(version: string | null, than: string): boolean {
  if (version === null) return true;
  const parts = (text: string): number[] => text.split(/[-+]/)[0]!.split('.').map(Number);
  const [a, b] = [parts(version), parts(than)];
  const at = b.findIndex((part, i) => part !== a[i]);
  return at >= 0 && (a[at] ?? 0) < b[at]!;
}
