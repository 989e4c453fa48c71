import type { ChildConfig } from '../config/schema.js';

interface ChildSettings {
  app: string;
  config: ChildConfig;
  /** Path of the agent to preload; null for none. */
  agentEntry: string | null;
  agentSocket: string;
}

/** The environment of one worker of a child app: heapwarden's own, the config's, and how to find the agent's socket. */
export function childEnvironment(
  { app, config, agentEntry, agentSocket }: ChildSettings,
  worker: string,
  inherited: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...inherited, ...config.env, HEAPWARDEN_APP: app, HEAPWARDEN_WORKER: worker };
  if (agentEntry === null) return env;
  // NODE_OPTIONS, not argv: the command may be `npm start`, and the service its grandchild.
  const options = [env['NODE_OPTIONS'], `--require=${quoted(agentEntry)}`].filter(Boolean).join(' ');
  return { ...env, NODE_OPTIONS: options, HEAPWARDEN_SOCKET: agentSocket };
}

/** NODE_OPTIONS splits at spaces outside double quotes; inside them, a backslash escapes (nodejs.org/api/cli.html). */
function quoted(path: string): string {
  return /[\s"\\]/.test(path) ? `"${path.replace(/["\\]/g, '\\$&')}"` : path;
}
