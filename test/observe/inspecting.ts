/** Unprepared Node apps, and their inspectors, of which a machine opens one at a time: other tests may be at it too. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { openInspector, type OpenInspector, type Refused } from '../../src/observe/inspector-open.js';
import { processSource } from '../../src/observe/processes.js';
import { runApp, type RunningApp } from '../agent/support.js';
import { until } from './support.js';

export const NODES = ['node-20', 'node-22', 'node-24', 'node-26'] as const;
/** Its inspector may open anywhere: no test is in another's way. */
export const ANY_PORT = '--inspect-port=0';
export const processes = processSource();

/** Runs a script that prints a line once it is as the test wants it, until it is old enough. */
export async function runOld(t: Test, node: string, args: string[], env: Record<string, string> = {}): Promise<RunningApp> {
  const app = runApp(t, node, args, env);
  await until('the first line of the app', () => app.output().includes('\n'));
  await sleep(1100);
  return app;
}

/** As often as it takes until no other test is being attached to. */
export async function whenFree<R extends object>(ask: () => Promise<R>): Promise<R> {
  for (const end = Date.now() + 60_000; ; await sleep(50)) {
    const result = await ask();
    if (!('refusal' in result) || result.refusal !== 'busy' || Date.now() > end) return result;
  }
}

export function openWhenFree(pid: number, timeoutMs = 10_000): Promise<OpenInspector | Refused> {
  return whenFree(() => openInspector(pid, { processes, timeoutMs }));
}
