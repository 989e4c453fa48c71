import { post, refused } from './client.js';
import type { RestartOptions } from './options.js';

interface Decision {
  action: 'restart' | 'refuse';
  reason: string;
  sentence: string;
}

/** `heapwarden restart APP`: asks the running warden, and prints its answer. Returns the exit status. */
export async function restart(options: RestartOptions, print: (line: string) => void): Promise<number> {
  const { app, worker, reason, force, dryRun } = options;
  const body = { ...(worker === null ? {} : { worker }), reason, force, dry_run: dryRun };
  const reply = await post(options, `api/v1/apps/${encodeURIComponent(app)}/restart`, body);
  const decisions = reply.body['decisions'] as Decision[] | undefined;
  if (!decisions) throw refused(options, reply);
  for (const { sentence } of decisions) print(sentence);
  const isDone = (decision: Decision) => decision.action === 'restart' || (dryRun && decision.reason === 'dry_run');
  return decisions.every(isDone) ? 0 : 1;
}
