/** How an app gets the agent that it lacks, by who starts it. Pure. */
import { dirname } from 'node:path';
import { keysOfAgent } from '../../config/notices.js';
import type { AppConfig, SystemdConfig } from '../../config/schema.js';
import { unitRef } from '../../supervisors/systemd-unit.js';
import { shellText } from './command.js';
import { fixIn } from './ecosystem.js';
import { run, type Fix, type Told } from './finding.js';
import type { Places } from './places.js';
import type { Pm2App } from './pm2-app.js';
import { editCommand } from './service.js';

export interface AgentSources {
  /** Path of the agent that this heapwarden brings. */
  agentEntry: string;
  /** Where agents report, and the group that may do so beside heapwarden's own user; null for none. */
  socket: { path: string; group: number | null };
  pm2: Told<readonly Pm2App[]>;
}

/** `isInReach`: of all its processes that lack the agent, as an AgentWorker has it. */
export function agentFix(app: AppConfig, isInReach: boolean, sources: AgentSources, places: Places): Fix {
  const { pm2, systemd, docker, child } = app.supervisor;
  if (pm2 !== undefined) return pm2Fix(app.name, sources);
  const takesAgent = keysOfAgent(app).length > 0;
  const orNone = takesAgent ? [] : ['or runtime: none, where it is no Node.js app'];
  if (systemd !== undefined) return systemdFix(app.name, systemd, sources, orNone);
  const { agentEntry, socket: { path, group } } = sources;
  if (docker !== undefined) {
    const mount = `mount the folder ${dirname(path)} into its containers, set HEAPWARDEN_SOCKET=${path}`;
    const preload = 'preload the agent in the image: NODE_OPTIONS=--require=/path/to/heapwarden/dist/agent/index.cjs';
    return noted(`${mount}, and ${preload}`, [strangers(group), ...orNone]);
  }
  if (isInReach && !takesAgent) return places.ofApp(app.name, 'runtime', 'runtime: inspector');
  if (child) return noted('have its command pass NODE_OPTIONS and HEAPWARDEN_SOCKET on to Node.js', orNone);
  const variables = `NODE_OPTIONS=--require=${agentEntry} and HEAPWARDEN_SOCKET=${path}`;
  return noted(`have it started with ${variables} in its environment`, [strangers(group), ...orNone]);
}

function pm2Fix(app: string, { pm2, agentEntry }: AgentSources): Fix {
  const known = 'value' in pm2 ? pm2.value.find((candidate) => candidate.app.name === app) : undefined;
  const text = `node_args: ${JSON.stringify(`--require ${agentEntry}`)}`;
  if (!known?.ecosystem) return run(`in PM2's ecosystem file: ${text}`);
  return fixIn(known.ecosystem, /node_args|interpreter_args/, text);
}

/** As deploy/shop.service has it. A user's own systemd runs everything as that user. */
function systemdFix(app: string, systemd: SystemdConfig, sources: AgentSources, orNone: readonly string[]): Fix {
  const { agentEntry, socket: { path, group } } = sources;
  const isUsersOwn = unitRef(systemd).user;
  const rights = ['its user must be able to read the agent', ...(group === null ? [strangers(group)] : [])];
  const notes = [...(isUsersOwn ? [] : rights), `then: heapwarden restart ${shellText([app])}`, ...orNone];
  const lines = [
    '[Service]',
    `Environment=NODE_OPTIONS=--require=${agentEntry}`,
    `Environment=HEAPWARDEN_SOCKET=${path}`,
    ...(isUsersOwn || group === null ? [] : [`SupplementaryGroups=${group}`]),
  ];
  return run([withNotes(editCommand(systemd), notes), ...lines].join('\n'));
}

function strangers(group: number | null): string {
  const way = group === null ? 'takes agent_socket_group, too' : `must be in group ${group}`;
  return `an app of another user than heapwarden's ${way}`;
}

const withNotes = (text: string, notes: readonly string[]): string =>
  notes.length === 0 ? text : `${text}   (${notes.join('; ')})`;
const noted = (text: string, notes: readonly string[]): Fix => run(withNotes(text, notes));
