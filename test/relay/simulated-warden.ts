/** What a relay sees of a warden: its two endpoints, on loopback, with restarts that are a matter of time alone. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { RelayedAlert } from '../../src/relay/queue.js';

export interface SimulatedOptions {
  token: string;
  /** App to its number of workers. */
  apps?: Record<string, number>;
  /** PEMs; https instead of http. */
  tls?: ServerOptions;
  /** How long a restart takes. */
  restartMs?: number;
  /** Told when a restart begins (+1) and ends (-1). */
  onRestart?: (app: string, change: 1 | -1) => void;
}

export class SimulatedWarden {
  port = 0;
  /** Each alert of each request that was let in, in order. */
  readonly received: RelayedAlert[] = [];
  readonly requests: { url: string; alerts: number }[] = [];
  /** What a request is answered instead, where it says something. */
  refuse: (alerts: readonly RelayedAlert[]) => { status: number; headers?: Record<string, string> } | null = () => null;
  /** What it says of an alert instead of deciding. */
  decide: ((alert: RelayedAlert) => string) | null = null;
  /** What its answers about alerts wait for. */
  until: Promise<void> = Promise.resolve();
  token: string;
  readonly workers: Map<string, { worker: string; up: boolean; restarting: boolean }[]>;
  restarts = 0;
  readonly #options: SimulatedOptions;
  readonly #known = new Set<string>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #server: Server | null = null;

  constructor(options: SimulatedOptions) {
    this.#options = options;
    this.token = options.token;
    const workersOf = (count: number) => Array.from({ length: count }, (_, i) => ({ worker: String(i), up: true, restarting: false }));
    this.workers = new Map(Object.entries(options.apps ?? { shop: 1 }).map(([app, count]) => [app, workersOf(count)]));
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get isUp(): boolean {
    return this.#server !== null;
  }

  /** Also after a stop, on the same port. */
  async start(): Promise<this> {
    const serve = (request: IncomingMessage, response: ServerResponse) =>
      void this.#serve(request, response).catch(() => response.destroy());
    const { tls } = this.#options;
    const server = tls ? createTlsServer(tls, serve) : createServer(serve);
    server.listen(this.port, '127.0.0.1', 1024);
    await once(server, 'listening');
    this.port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    const server = this.#server;
    this.#server = null;
    if (!server) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const answer = (status: number, value: unknown, headers = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
    };
    if (request.headers.authorization !== `Bearer ${this.token}`) return answer(401, { message: 'wrong token' });
    if (request.url === '/api/v1/apps') {
      return answer(200, { apps: [...this.workers].map(([app, workers]) => ({ app, workers })) });
    }
    const { alerts } = JSON.parse(body) as { alerts: RelayedAlert[] };
    this.requests.push({ url: request.url ?? '', alerts: alerts.length });
    await this.until;
    const refusal = this.refuse(alerts);
    if (refusal) return answer(refusal.status, { message: 'as the test says' }, refusal.headers);
    this.received.push(...alerts);
    answer(202, { alerts: alerts.map((alert) => ({ fingerprint: alert.fingerprint, decision: this.#decide(alert) })) });
  }

  #decide(alert: RelayedAlert): string {
    if (this.decide) return this.decide(alert);
    if (alert.status === 'resolved') return 'resolved';
    const { app = '', worker = '0' } = alert.labels;
    const found = this.workers.get(app)?.find((candidate) => candidate.worker === worker);
    if (!found) return 'unknown_app';
    const key = `${alert.fingerprint} ${alert.startsAt}`;
    if (this.#known.has(key)) return 'duplicate';
    if (found.restarting) return 'in_progress';
    this.#known.add(key);
    this.restarts++;
    const { restartMs = 0, onRestart } = this.#options;
    if (restartMs === 0) return 'restart';
    found.restarting = true;
    onRestart?.(app, 1);
    const timer = setTimeout(() => {
      found.restarting = false;
      this.#timers.delete(timer);
      onRestart?.(app, -1);
    }, restartMs);
    this.#timers.add(timer);
    return 'restart';
  }
}

export function alertFor(instance: string | null, more: Partial<RelayedAlert> & { app?: string; worker?: string } = {}): RelayedAlert {
  const { app = 'shop', worker = '0', ...alert } = more;
  return {
    status: 'firing',
    labels: { alertname: 'HeapwardenMemoryLimit', action: 'restart', reason: 'rss', app, worker, ...(instance !== null && { instance }) },
    startsAt: '2026-11-21T07:00:00Z',
    endsAt: '0001-01-01T00:00:00Z',
    fingerprint: `${instance}/${app}/${worker}`,
    ...alert,
  };
}
