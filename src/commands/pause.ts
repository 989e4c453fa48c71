import { post, refused } from './client.js';
import type { PauseOptions, ResumeOptions } from './options.js';

/** `heapwarden pause APP`. Returns the exit status. */
export async function pause(options: PauseOptions, print: (line: string) => void): Promise<number> {
  const { app, duration } = options;
  const body = duration === null ? {} : { for: duration };
  const reply = await post(options, `api/v1/apps/${encodeURIComponent(app)}/pause`, body);
  if (reply.status !== 200) throw refused(options, reply);
  const { until_seconds: until } = reply.body['paused'] as { until_seconds: number | null };
  const end = until === null ? 'until you say: heapwarden resume' : `until ${new Date(until * 1000).toISOString()}`;
  print(`${app} is paused: no automatic restarts, ${end}`);
  return 0;
}

/** `heapwarden resume APP`. Returns the exit status. */
export async function resume(options: ResumeOptions, print: (line: string) => void): Promise<number> {
  const reply = await post(options, `api/v1/apps/${encodeURIComponent(options.app)}/resume`, {});
  if (reply.status !== 200) throw refused(options, reply);
  print(`${options.app} is resumed: automatic restarts are allowed`);
  return 0;
}
