import { fetchFailure } from '../../errors.js';
import { call, textOf, type Access } from '../../http/client.js';
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
export async function ask(base: string, path: string, access: Access = {}): Promise<Told<HttpAnswer>> {
  const askedMs = Date.now();
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const answer = await call(new URL(path, base.replace(/\/?$/, '/')), access, { signal });
    const answeredMs = Date.now();
    const text = await textOf(answer);
    return { value: { status: answer.status, date: answer.headers.date ?? null, text, askedMs, answeredMs } };
  } catch (error) {
    return { why: fetchFailure(error) };
  }
}
