/** Real apps with the agent in them, and a real hub for it to report to. */
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { systemClock } from '../../src/clock.js';
import type { Log, LogFields } from '../../src/log.js';
import { AgentHub, type AgentReport } from '../../src/observe/hub.js';

export class MemoryLog implements Log {
  readonly entries: { level: keyof Log; message: string; fields: LogFields }[] = [];
  debug = this.#recorder('debug');
  info = this.#recorder('info');
  warn = this.#recorder('warn');
  error = this.#recorder('error');

  at(level: keyof Log): LogFields[] {
    return this.entries.filter((entry) => entry.level === level).map((entry) => entry.fields);
  }

  #recorder(level: keyof Log) {
    return (message: string, fields: LogFields = {}) => void this.entries.push({ level, message, fields });
  }
}

/** A folder whose sockets fit sun_path. */
export function shortFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'hw-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The built agent's entry, copied, so that a build that goes on beside the tests does not pull it from under them. */
export function builtAgent(folder: string): string {
  const built = dirname(fileURLToPath(import.meta.resolve('heapwarden/agent')));
  cpSync(built, join(folder, 'agent'), { recursive: true });
  return join(folder, 'agent', 'index.cjs');
}

export interface TestHub {
  hub: AgentHub;
  log: MemoryLog;
}

export async function openHub(t: Test, path: string, statsIntervalMs = 1000): Promise<TestHub> {
  const log = new MemoryLog();
  const hub = new AgentHub({ path, statsIntervalMs, clock: systemClock, log });
  await hub.listen();
  t.teardown(() => hub.close());
  return { hub, log };
}

export interface RunningApp {
  child: ChildProcess;
  pid: number;
  /** Everything it has printed, stdout and stderr. */
  output(): string;
  /** Writes a line to the app's stdin and resolves with the next line of its stdout. */
  ask(command: string): Promise<string>;
  /** Its exit code, or the signal that ended it. */
  exited: Promise<number | NodeJS.Signals | null>;
  /** Milliseconds from its start to its end; NaN while it runs. */
  lifeMs(): number;
}

/** Runs `node ...args` with nothing in its environment but PATH and `env`. Ends it with the test. */
export function runApp(t: Test, node: string, args: string[], env: Record<string, string>): RunningApp {
  // tap adds itself to the NODE_OPTIONS of every child, whatever env says; `env -u` gives the app its own again.
  const child = spawn('/usr/bin/env', ['-u', 'NODE_OPTIONS', node, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const startMs = performance.now();
  let lifeMs = NaN;
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  child.stdin.on('error', () => {}); // it may have exited before it was asked
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('exit', () => (lifeMs = performance.now() - startMs));
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  t.teardown(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  });
  return {
    child,
    pid: child.pid!,
    output: () => output,
    exited,
    lifeMs: () => lifeMs,
    async ask(command) {
      child.stdin.write(`${command}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`the app ended before it answered "${command}":\n${output}`);
      return value;
    },
  };
}

export function writeApp(folder: string, name: string, source: string): string {
  const path = join(folder, name);
  writeFileSync(path, source);
  return path;
}

/** The first value of `read` that is neither null nor false; an error that says `what` did not come about in time. */
export async function until<T>(what: string, read: () => T | null | false, timeoutMs = 20_000): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = read();
    if (value !== null && value !== false) return value;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(20);
  }
}

export function untilStats(hub: AgentHub, pid: number): Promise<AgentReport> {
  return until(`stats of process ${pid}`, () => {
    const report = hub.report(pid);
    return report?.stats ? report : null;
  });
}

/** Every number in a value, wherever it is nested. */
export function numbersIn(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersIn) : [];
}
