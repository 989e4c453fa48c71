import { messageOf } from '../../errors.js';
import type { Told } from './finding.js';

const TIMEOUT_MS = 5000;

export interface HttpAnswer {
  status: number;
  /** The Date header. */
  date: string | null;
  text: string;
  askedMs: number;
  answeredMs: number;
}

/** What a server answers, or why it does not, in a few words. Times are milliseconds since the epoch. */
export async function ask(base: string, path: string): Promise<Told<HttpAnswer>> {
  const askedMs = Date.now();
  try {
    const response = await fetch(new URL(path, base.replace(/\/?$/, '/')), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    const answeredMs = Date.now();
    const text = await response.text();
    return { value: { status: response.status, date: response.headers.get('date'), text, askedMs, answeredMs } };
  } catch (error) {
    return { why: reasonOf(error) };
  }
}

/** fetch puts it into `cause`; where a name has several addresses, that is an AggregateError without a message. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof AggregateError ? cause.errors.map(messageOf).join(', ') : messageOf(cause);
}
