import type { Refusal } from '../decide/decision.js';
import { post, refused } from './client.js';
import type { RestartOptions } from './options.js';

interface Decision {
  action: 'restart' | 'refuse';
  reason: string;
  sentence: string;
}

/** Refusals over which a person may pass (rules/runbooks.md). */
const FORCEABLE: readonly string[] = [
  'paused', 'not_breaching', 'outside_window', 'startup_grace', 'ineffective', 'cooldown', 'budget', 'min_available',
] satisfies Refusal[];

/** `heapwarden restart APP`: asks the running warden, and prints its answer. Returns the exit status. */
export async function restart(options: RestartOptions, print: (line: string) => void): Promise<number> {
  const { app, worker, reason, force, dryRun } = options;
  const body = { ...(worker === null ? {} : { worker }), reason, force, dry_run: dryRun };
  const reply = await post(options, `api/v1/apps/${encodeURIComponent(app)}/restart`, body);
  const decisions = reply.body['decisions'] as Decision[] | undefined;
  if (!decisions) throw refused(options, reply);
  for (const { sentence } of decisions) print(sentence);
  if (!force && decisions.some(({ reason: why }) => FORCEABLE.includes(why))) print('--force passes over that');
  if (decisions.some(({ action }) => action === 'restart')) print(`what comes of it: heapwarden incidents ${app}`);
  const isDone = (decision: Decision) => decision.action === 'restart' || (dryRun && decision.reason === 'dry_run');
  return decisions.every(isDone) ? 0 : 1;
}
