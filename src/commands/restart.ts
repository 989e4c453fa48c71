import { HeapwardenError, messageOf } from '../errors.js';
import { readToken } from '../http/token.js';
import { readConfig } from './config.js';
import type { RestartOptions } from './options.js';

interface Decision {
  action: 'restart' | 'refuse';
  reason: string;
  sentence: string;
}

/** What the restart endpoint answers: decisions, or where there are none, a message that says why. */
interface Reply {
  decisions?: Decision[];
  message?: string;
}

/** `heapwarden restart APP`: asks the running warden, and prints its answer. Returns the exit status. */
export async function restart(options: RestartOptions, print: (line: string) => void): Promise<number> {
  const tokenFile = options.tokenFile ?? (await readConfig(options.configFile)).auth.token_file;
  const { status, reply } = await send(options, await readToken(tokenFile));
  if (status === 401) {
    throw failed(
      `the heapwarden at ${options.url} does not know the token in ${tokenFile}. Name its own with --token.file, ` +
        'or its config with --config.file',
    );
  }
  if (!reply) {
    throw failed(`what answers at ${options.url} (HTTP ${status}) is not heapwarden. Name its address with --url`);
  }
  if (!reply.decisions) throw failed(`heapwarden at ${options.url} said: ${reply.message ?? `HTTP ${status}`}`);
  for (const { sentence } of reply.decisions) print(sentence);
  const isDone = ({ action, reason }: Decision) => action === 'restart' || (options.dryRun && reason === 'dry_run');
  return reply.decisions.every(isDone) ? 0 : 1;
}

/** `reply` is null where it is not one of heapwarden's. */
async function send(options: RestartOptions, token: string): Promise<{ status: number; reply: Reply | null }> {
  const { app, worker, reason, force, dryRun } = options;
  const url = new URL(`api/v1/apps/${encodeURIComponent(app)}/restart`, options.url.replace(/\/?$/, '/'));
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ ...(worker === null ? {} : { worker }), reason, force, dry_run: dryRun });
  try {
    const response = await fetch(url, { method: 'POST', headers, body });
    const answer: unknown = await response.json().catch(() => null);
    const isObject = typeof answer === 'object' && answer !== null && !Array.isArray(answer);
    return { status: response.status, reply: isObject ? answer : null };
  } catch (error) {
    const why = reasonOf(error);
    throw failed(`no heapwarden answers at ${options.url} (${why}). Is it running? Name its address with --url`);
  }
}

/** fetch puts it into `cause`; where a name has several addresses, that is an AggregateError without a message. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof AggregateError ? cause.errors.map(messageOf).join(', ') : messageOf(cause);
}

function failed(message: string): HeapwardenError {
  return new HeapwardenError('REQUEST_FAILED', message);
}
