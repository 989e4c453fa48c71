/** A bounded, steady load on one port, with an account of every request. */
import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Tally, type RequestEnd, type TallyReport } from './tally.js';

/** No whole answer within this counts as hanging. */
export const HANGING_MS = 10_000;
export const REQUESTS_PER_SECOND = 200;
/** Every fifth request is slow, of either kind of connection: one is always under way when a process is stopped. */
const SLOW_EVERY = 5;

export interface LoadReport extends TallyReport {
  /** The longest time without a good answer, in milliseconds; some 10 where nothing happens. */
  longestGapMs: number;
}

/**
 * Requests go out at their times whether or not earlier ones have been answered, so that a stall is not hidden. Half use
 * kept connections, half a fresh one each; none is tried again.
 */
export class Load {
  readonly #port: number;
  readonly #tally = new Tally();
  readonly #agents = [new Agent({ keepAlive: true }), new Agent({ keepAlive: false })] as const;
  readonly #open = new Set<Promise<void>>();
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #lastOkAt: number | null = null;
  #longestGapMs = 0;

  private constructor(port: number) {
    this.#port = port;
    this.#timer = setInterval(() => this.#sendDue(), 1000 / REQUESTS_PER_SECOND);
  }

  static start(port: number): Load {
    return new Load(port);
  }

  /** Sends no more, waits for the end of every request, and reports. */
  async stop(): Promise<LoadReport> {
    clearInterval(this.#timer);
    while (this.#open.size > 0) await Promise.race([...this.#open, sleep(100)]);
    for (const agent of this.#agents) agent.destroy();
    return { ...this.#tally.report(), longestGapMs: this.#longestGapMs };
  }

  #sendDue(): void {
    const due = ((performance.now() - this.#startedAt) * REQUESTS_PER_SECOND) / 1000;
    for (; this.#sent < due; this.#sent += 1) {
      this.#tally.send();
      const path = this.#sent % SLOW_EVERY === 0 ? '/slow' : '/';
      const agent = this.#agents[this.#sent % 2 === 0 ? 0 : 1];
      const ended = this.#account(this.#request(path, agent)).finally(() => this.#open.delete(ended));
      this.#open.add(ended);
    }
  }

  async #account(request: Promise<RequestEnd>): Promise<void> {
    const how = await request;
    this.#tally.end(how);
    if (how !== 'ok') return;
    const now = performance.now();
    if (this.#lastOkAt !== null) this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#lastOkAt);
    this.#lastOkAt = now;
  }

  #request(path: string, agent: Agent): Promise<RequestEnd> {
    return new Promise((resolve) => {
      const request = get({ host: '127.0.0.1', port: this.#port, path, agent }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => (body += text));
        response.on('error', (error: NodeJS.ErrnoException) => finish(codeOf(error)));
        response.on('end', () => finish(judge(response.statusCode, body)));
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        // Maybe only closed by the app while the request was on its way to it, which some clients try again.
        finish(request.reusedSocket ? `${codeOf(error)} (kept connection)` : codeOf(error));
      });
      const timer = setTimeout(() => {
        finish('hanging');
        request.destroy();
      }, HANGING_MS);
      const finish = (how: RequestEnd) => {
        clearTimeout(timer);
        resolve(how); // the first one counts
      };
    });
  }
}

const codeOf = (error: NodeJS.ErrnoException): string => error.code ?? error.message;

function judge(status: number | undefined, body: string): RequestEnd {
  if (status !== 200) return `status ${status}`;
  return /^\d+$/.test(body) ? 'ok' : 'cut short';
}
