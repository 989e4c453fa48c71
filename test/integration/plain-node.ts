/** A Node.js process without what tap puts into the environment of everything it spawns. */
import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface PlainOptions {
  node?: string;
  cwd?: string;
  env?: Readonly<Record<string, string>>;
}

function commandLine(args: readonly string[], { node = process.execPath, env = {} }: PlainOptions): [string, string[]] {
  // env(1) takes tap's NODE_OPTIONS out after tap has put it in; it execs, so the pid is Node's.
  return ['/usr/bin/env', ['-u', 'NODE_OPTIONS', ...Object.entries(env).map(([key, value]) => `${key}=${value}`), node, ...args]];
}

export function spawnPlain(args: readonly string[], options: PlainOptions = {}): ChildProcessByStdio<null, Readable, Readable> {
  const [program, rest] = commandLine(args, options);
  return spawn(program, rest, { cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** No command takes so long. */
const PATIENCE_MS = 120_000;

/** Runs it to its end; the code is NaN where a signal ended it. */
export function runPlain(args: readonly string[], options: PlainOptions = {}): Promise<{ code: number; out: string; err: string }> {
  const [program, rest] = commandLine(args, options);
  return new Promise((resolve) => {
    const limits = { cwd: options.cwd, timeout: PATIENCE_MS, killSignal: 'SIGKILL' } as const;
    execFile(program, rest, limits, (error, out, err) => resolve({ code: error ? Number(error.code ?? NaN) : 0, out, err }));
  });
}
