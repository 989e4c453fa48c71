import { HeapwardenError, messageOf } from '../errors.js';
import { readToken } from '../http/token.js';
import { readConfig } from './config.js';
import type { RestartOptions } from './options.js';

interface Decision {
  action: 'restart' | 'refuse';
  reason: string;
  sentence: string;
}

/** `heapwarden restart APP`: asks the running warden, and prints its answer. Returns the exit status. */
export async function restart(options: RestartOptions, print: (line: string) => void): Promise<number> {
  const token = await readToken(options.tokenFile ?? (await readConfig(options.configFile)).auth.token_file);
  const url = new URL(`api/v1/apps/${encodeURIComponent(options.app)}/restart`, options.url.replace(/\/?$/, '/'));
  const body = {
    ...(options.worker === null ? {} : { worker: options.worker }),
    ...(options.reason === null ? {} : { reason: options.reason }),
    force: options.force,
    dry_run: options.dryRun,
  };
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) }).catch((error: unknown) => {
    const why = messageOf(error instanceof Error && error.cause ? error.cause : error);
    throw new HeapwardenError('REQUEST_FAILED', `no heapwarden answers at ${options.url} (${why}). Is it running? Name its address with --url`);
  });
  const answer = (await response.json().catch(() => ({}))) as { decisions?: Decision[]; message?: string };
  if (!answer.decisions) {
    throw new HeapwardenError('REQUEST_FAILED', `heapwarden at ${options.url} said ${response.status}: ${answer.message ?? 'nothing more'}`);
  }
  for (const { sentence } of answer.decisions) print(sentence);
  return response.ok ? 0 : 1;
}
