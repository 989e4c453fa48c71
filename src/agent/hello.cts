/** What an agent says first. Only Linux tells namespace and start, by which it is known from outside: proc(5). */
import { readFileSync, readlinkSync } from 'node:fs';
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
    ...(process.platform === 'linux' ? whoFromOutside() : {}),
  };
}

/** By what a warden outside of this process's container finds it: in there, its pid is most often 1. */
function whoFromOutside(): Pick<HelloFrame, 'pid_namespace' | 'start'> {
  try {
    const namespace = Number(/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0]);
    const stat = readFileSync('/proc/self/stat', 'latin1');
    // The name, field 2, may hold spaces and brackets; field 3 comes after its last bracket.
    const start = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3]);
    return namespace > 0 && start > 0 ? { pid_namespace: namespace, start } : {};
  } catch {
    return {}; // no /proc, or the permission model forbids it
  }
}

/** HEAPWARDEN_APP, else PM2's name, else npm's package name, else the script's name without extension, else `node`. */
export function appName(env: NodeJS.ProcessEnv, script: string | undefined): string {
  // `name` alone is too common a variable to mean anything; PM2 sets `pm_id` beside it.
  const pm2 = env['pm_id'] === undefined ? undefined : env['name'];
  const candidates = [env['HEAPWARDEN_APP'], pm2, env['npm_package_name'], script && basename(script, extname(script))];
  const name = candidates.map((text) => text?.replace(/\p{Cc}/gu, '')).find((text) => text);
  return name?.slice(0, MAX_APP_NAME) ?? 'node';
}
