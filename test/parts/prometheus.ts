/** A real Prometheus and a real Alertmanager on loopback, each with its storage in a folder of the test's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { findPart } from './index.js';

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
/** Of the end of a program's log, for failure messages. */
const KEPT_LOG_CHARACTERS = 20_000;

export interface ServerOptions {
  configFile: string;
  /** Holds the storage; the test removes it. */
  dir: string;
  port: number;
}

export interface AlertmanagerOptions extends ServerOptions {
  /** Of loopback: where it listens for others of its cluster, and where one of them does. Without it, no cluster. */
  cluster?: { port: number; peerPort?: number };
}

export interface Server {
  readonly pid: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** The end of what it wrote to stderr. */
  log(): string;
  /** The JSON that a GET of this path answers. Throws an Error that holds the answer where it is not 2xx. */
  get(path: string): Promise<unknown>;
  /** Ends the process and resolves when it has gone; SIGKILL after 10 s. May be called twice. */
  stop(): Promise<void>;
}

/** One sample of an instant vector; `value` is unix time in seconds and the value as text. */
export interface VectorSample {
  metric: Record<string, string>;
  value: [number, string];
}

/** An alert as Prometheus has it; one that is neither pending nor firing is not listed. */
export interface PrometheusAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  state: 'pending' | 'firing';
  activeAt: string;
  value: string;
}

export interface Prometheus extends Server {
  /** The result of an expression whose value is an instant vector. */
  query(expression: string): Promise<VectorSample[]>;
  alerts(): Promise<PrometheusAlert[]>;
}

/** An alert as Alertmanager has it (https://github.com/prometheus/alertmanager, api/v2/openapi.yaml). */
export interface AlertmanagerAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  fingerprint: string;
  startsAt: string;
  endsAt: string;
  receivers: { name: string }[];
  status: { state: 'unprocessed' | 'active' | 'suppressed'; inhibitedBy: string[]; silencedBy: string[] };
}

export interface Alertmanager extends Server {
  /** Active and suppressed ones; a resolved alert is not listed. */
  alerts(): Promise<AlertmanagerAlert[]>;
}

/** Resolves when it is ready. Throws an Error with the end of its log where it does not become so. */
export async function startPrometheus({ configFile, dir, port }: ServerOptions): Promise<Prometheus> {
  const server = await start('prometheus', port, [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${join(dir, 'prometheus')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  return {
    ...server,
    query: async (expression) => {
      const answer = await server.get(`/api/v1/query?query=${encodeURIComponent(expression)}`);
      return (answer as { data: { result: VectorSample[] } }).data.result;
    },
    alerts: async () => ((await server.get('/api/v1/alerts')) as { data: { alerts: PrometheusAlert[] } }).data.alerts,
  };
}

/** Resolves when it is ready. Throws an Error with the end of its log where it does not become so. */
export async function startAlertmanager({ configFile, dir, port, cluster }: AlertmanagerOptions): Promise<Alertmanager> {
  const server = await start('prometheus-alertmanager', port, [
    `--config.file=${configFile}`,
    `--storage.path=${join(dir, 'alertmanager')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    // Without an address it would listen on every interface; an empty one is no cluster.
    `--cluster.listen-address=${cluster ? `127.0.0.1:${cluster.port}` : ''}`,
    ...(cluster?.peerPort === undefined ? [] : [`--cluster.peer=127.0.0.1:${cluster.peerPort}`]),
    ...(cluster ? ['--cluster.settle-timeout=3s', '--cluster.pushpull-interval=5s'] : []),
  ]);
  return { ...server, alerts: async () => (await server.get('/api/v2/alerts')) as AlertmanagerAlert[] };
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function start(part: 'prometheus' | 'prometheus-alertmanager', port: number, args: string[]): Promise<Server> {
  const program = findPart(part);
  if (program === null) throw new Error(`${part} is not on this machine; ask needParts before`);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-KEPT_LOG_CHARACTERS)));
  let ended: string | null = null;
  // `close` comes after the last of its log.
  const closed = new Promise<void>((resolve) => {
    child.once('error', (error) => (ended = error.message));
    child.once('exit', (code, signal) => (ended = `it ended with ${signal ?? `exit status ${code}`}`));
    child.once('close', () => resolve());
  });
  const url = `http://127.0.0.1:${port}`;

  const stop = async () => {
    if (ended === null) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await closed;
    clearTimeout(timer);
  };
  for (const end = Date.now() + READY_TIMEOUT_MS; !(await isReady(url)); ) {
    if (ended === null && Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      continue;
    }
    await stop();
    throw new Error(`${part} did not become ready: ${ended ?? `no answer in ${READY_TIMEOUT_MS / 1000} s`}\n${log}`);
  }
  return { pid: child.pid!, url, log: () => log, get: (path) => get(`${url}${path}`), stop };
}

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/-/ready`).then(({ ok }) => ok, () => false);
}

async function get(url: string): Promise<unknown> {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
