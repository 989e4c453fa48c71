/** Real processes to look at, and the end of them all. */
import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { LinuxProcesses } from '../../src/observe/linux.js';
import type { ProcessId } from '../../src/supervisors/contract.js';
import { killIfThere } from '../parts/kill.js';

export { MemoryLog } from '../agent/support.js';

export const processes = new LinuxProcesses();

export const isAlive = async ({ pid, start }: ProcessId): Promise<boolean> =>
  (await processes.identify(pid))?.start === start;

/** The first value of `read` that is neither null nor false; an error that says `what` did not come about in time. */
export async function until<T>(
  what: string,
  read: () => T | null | false | Promise<T | null | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (value !== null && value !== false) return value;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(20);
  }
}

export const mustIdentify = async (pid: number): Promise<ProcessId> =>
  (await processes.identify(pid)) ?? Promise.reject(new Error(`no process ${pid}`));

/** Starts a program in a group of its own, and kills the whole group when the test ends. */
export function run(t: Test, program: string, ...args: string[]): ChildProcess & { pid: number } {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const ended = new Promise((resolve) => child.once('close', resolve));
  t.teardown(async () => {
    killIfThere(-child.pid!);
    await ended;
  });
  return child as ChildProcess & { pid: number };
}

/** As tap adds itself to the NODE_OPTIONS of every child, `env -u` gives a program its own again. */
export const plainNode = (...args: string[]): [string, ...string[]] => [
  '/usr/bin/env',
  '-u',
  'NODE_OPTIONS',
  process.execPath,
  ...args,
];

/** The next piece of what a process prints. */
export function said(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout!.once('data', (chunk) => resolve(String(chunk)));
    child.once('exit', () => reject(new Error('it ended without a word')));
  });
}

export async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
}
