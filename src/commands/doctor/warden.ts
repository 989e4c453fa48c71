import { ofApp, run, type Finding, type Told, type Verdict } from './finding.js';

export interface WardenFacts {
  url: string;
  /** Names of the apps that the running one has in its config. */
  managed: Told<readonly string[]>;
  /** Names of the apps in the config file. */
  configured: readonly string[];
  stateDir: string;
  /** Pid of the warden that uses the state folder; null where there is none. */
  holder: number | null;
  socket: string;
  /** Whether somebody answers on the agent socket. */
  socketAnswers: boolean;
}

/** Whether the apps are watched at all, by a warden that has read this config. */
export function judgeWarden(facts: WardenFacts): Verdict {
  const { managed } = facts;
  return { findings: 'why' in managed ? [absent(facts, managed.why)] : present(facts, managed.value), notChecked: [] };
}

function absent({ url, holder, stateDir }: WardenFacts, why: string): Finding {
  if (holder !== null) {
    return {
      code: 'warden_unreachable',
      severity: 'problem',
      app: null,
      message: `a heapwarden (process ${holder}) uses the state folder ${stateDir}, and none answers at ${url} (${why})`,
      fix: run('name its address: heapwarden doctor --url=URL'),
    };
  }
  return {
    code: 'warden_not_running',
    severity: 'warning',
    app: null,
    message: `no heapwarden runs with this config: nobody watches the apps (nothing answers at ${url}: ${why})`,
    fix: run('heapwarden serve'),
  };
}

function present(facts: WardenFacts, managed: readonly string[]): Finding[] {
  const { url, configured, holder, socket, socketAnswers, stateDir } = facts;
  const findings: Finding[] = [];
  const unknown = configured.filter((name) => !managed.includes(name));
  const gone = managed.filter((name) => !configured.includes(name));
  const differences = [
    ...unknown.map((name) => `${ofApp(name)} is unknown to it`),
    ...gone.map((name) => `${ofApp(name)} is not in the file`),
  ];
  if (holder === null) differences.push(`it does not use the state folder ${stateDir}`);
  if (differences.length > 0) {
    const command =
      holder === null
        ? 'name its config with --config.file, or its address with --url'
        : `kill -HUP ${holder}   (it reads the file again)`;
    findings.push({
      code: 'config_not_loaded',
      severity: 'warning',
      app: null,
      message: `the heapwarden at ${url} runs with another config than this file: ${differences.join(', ')}`,
      fix: run(command),
    });
  }
  if (!socketAnswers && holder !== null) {
    findings.push({
      code: 'agent_socket_silent',
      severity: 'problem',
      app: null,
      message: `nobody answers on the agent socket ${socket}: no agent that starts now can report in`,
      fix: run('start heapwarden again: it makes the socket anew'),
    });
  }
  return findings;
}
