import { basename, extname } from 'node:path';
import { AGENT_VERSION, MAX_APP_NAME, PROTOCOL_VERSION, type HelloFrame } from './protocol.cjs';

/** Who this process is. Read on connect: PM2's cluster mode sets env and argv only after the preloads have run. */
export function hello(app?: string): HelloFrame {
  return {
    type: 'hello',
    protocol: PROTOCOL_VERSION,
    pid: process.pid,
    node: process.version.slice(1),
    app: app ?? appName(process.env, process.argv[1]),
    agent: AGENT_VERSION,
  };
}

/** HEAPWARDEN_APP, else PM2's name, else npm's package name, else the script's name without extension, else `node`. */
export function appName(env: NodeJS.ProcessEnv, script: string | undefined): string {
  // `name` alone is too common a variable to mean anything; PM2 sets `pm_id` beside it.
  const pm2 = env['pm_id'] === undefined ? undefined : env['name'];
  const candidates = [env['HEAPWARDEN_APP'], pm2, env['npm_package_name'], script && basename(script, extname(script))];
  const name = candidates.map((text) => text?.replace(/\p{Cc}/gu, '')).find((text) => text);
  return name?.slice(0, MAX_APP_NAME) ?? 'node';
}
