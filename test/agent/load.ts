/** Requests without end, as users send them, and every one of them that failed. */
import { Agent, request, type IncomingMessage } from 'node:http';
import type { Test } from 'tap';

export interface Answer {
  status: number;
  connection: string | undefined;
  body: string;
}

export function get(url: string | { socketPath: string; path: string }, agent: Agent | false = false): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { agent, timeout: 20_000 };
    const onResponse = (response: IncomingMessage) => {
      let body = '';
      response.on('data', (chunk) => (body += chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode!, connection: response.headers.connection, body }));
    };
    const sent = typeof url === 'string' ? request(url, options, onResponse) : request({ ...url, ...options }, onResponse);
    sent.on('timeout', () => sent.destroy(new Error('no answer within 20 s')));
    sent.on('error', reject).end();
  });
}

/** A client that keeps one connection open for as long as the server lets it. */
export function keepAlive(t: Test): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  return agent;
}

/** Several clients at once: some keep their connection, some open one for each request, some are Node's own fetch. */
export class Load {
  answered = 0;
  /** How each request that was not answered with 200 went. */
  readonly failures: string[] = [];
  /** Which processes have answered, by what they say of themselves. */
  readonly bodies = new Map<string, number>();
  #stopped = false;
  readonly #clients: Promise<void>[];

  constructor(t: Test, url: string, { pauseMs = 5 }: { pauseMs?: number } = {}) {
    const kept = [keepAlive(t), keepAlive(t), keepAlive(t), keepAlive(t)];
    const fetched = async () => {
      const response = await fetch(url);
      return { status: response.status, body: await response.text() };
    };
    const asks = [
      ...kept.map((agent, i) => () => get(i === 0 ? `${url}slow` : url, agent)),
      () => get(url), () => get(url), () => get(`${url}slow`), fetched, fetched,
    ];
    this.#clients = asks.map((ask) => this.#run(ask, pauseMs));
    t.teardown(() => this.stop());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
  }

  async #run(ask: () => Promise<Pick<Answer, 'status' | 'body'>>, pauseMs: number): Promise<void> {
    while (!this.#stopped) {
      try {
        const { status, body } = await ask();
        if (status === 200) this.answered += 1;
        else this.failures.push(`status ${status}`);
        this.bodies.set(body, (this.bodies.get(body) ?? 0) + 1);
      } catch (error) {
        const { cause } = error as { cause?: unknown };
        this.failures.push(String(cause ?? error));
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
