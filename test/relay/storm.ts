/** Many simulated wardens, the real relay before them, and senders that do as Alertmanager does. */
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RelayedAlert } from '../../src/relay/queue.js';
import { spawnPlain } from '../integration/plain-node.js';
import { waitFor } from '../integration/wait.js';
import { CLI } from '../integration/warden-process.js';
import { freePort } from '../parts/prometheus.js';
import { alertFor, SimulatedWarden, type SimulatedOptions } from './simulated-warden.js';

const TOKEN = 'of-the-fleet';
/** Requests that Alertmanager has under way at the same time. */
const SENDERS = 50;
const READY_MS = 60_000;

export interface Sent {
  alerts: RelayedAlert[];
  /** From the first request to the last answer. */
  ms: number;
  /** Requests that were answered with a 5xx or not at all, and were sent again. */
  again: number;
}

export class Storm {
  readonly wardens: SimulatedWarden[];
  log = '';
  #relay: ChildProcess | null = null;
  #port = 0;
  #round = 0;

  constructor(
    readonly dir: string,
    count: number,
    options: Partial<SimulatedOptions> = {},
  ) {
    this.wardens = Array.from({ length: count }, () => new SimulatedWarden({ token: TOKEN, ...options }));
  }

  /** `yaml`: more of relay.yml. */
  async start(yaml = ''): Promise<void> {
    await Promise.all(this.wardens.map((warden) => warden.start()));
    this.#port = await freePort();
    writeFileSync(join(this.dir, 'fleet-token'), TOKEN);
    writeFileSync(join(this.dir, 'wardens.json'), JSON.stringify([{ targets: this.wardens.map(({ address }) => address) }]));
    this.configure(yaml);
    await this.startRelay();
  }

  configure(yaml: string): void {
    const text = `
listen: 127.0.0.1:${this.#port}
state_dir: state
targets: { file_sd: { files: [wardens.json] } }
wardens: { token_file: fleet-token }
${yaml}`;
    writeFileSync(join(this.dir, 'relay.yml'), text);
  }

  async startRelay(): Promise<void> {
    const child = spawnPlain([CLI, 'relay', `--config.file=${join(this.dir, 'relay.yml')}`]);
    child.stderr.on('data', (text: Buffer) => (this.log += String(text)));
    this.#relay = child;
    await waitFor('the relay to be ready', () => {
      if (child.exitCode !== null) throw new Error(`the relay has ended:\n${this.log}`);
      return fetch(`${this.url}/-/ready`).then(({ ok }) => ok, () => false);
    }, READY_MS);
  }

  /** Resolves when it has gone. */
  async endRelay(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#relay;
    this.#relay = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  async close(): Promise<void> {
    await this.endRelay('SIGKILL');
    await Promise.all(this.wardens.map((warden) => warden.stop()));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Of the relay: the most it ever had resident. Linux only: proc(5). */
  peakBytes(): number {
    const status = readFileSync(`/proc/${this.#relay!.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
  }

  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]);
  }

  /** An alert for each of `each` workers of each warden, one a request; resolves when the relay has taken them all. */
  async send(wardens: readonly SimulatedWarden[], each: number, onAnswer: (answered: number) => void = () => {}): Promise<Sent> {
    const startsAt = new Date(Date.UTC(2026, 0, 1) + this.#round++ * 1000).toISOString();
    const alerts = Array.from({ length: each }, (_, worker) => wardens.map(({ address }) => alertFor(address, { worker: String(worker), startsAt }))).flat();
    const token = readFileSync(join(this.dir, 'state/token'), 'utf8').trim();
    const from = performance.now();
    const rest = alerts.values();
    let [again, answered] = [0, 0];
    const sender = async (): Promise<void> => {
      for (const alert of rest) {
        while (!(await post(`${this.url}/api/v1/alerts`, token, alert))) {
          again++;
          await sleep(100);
        }
        onAnswer(++answered);
      }
    };
    await Promise.all(Array.from({ length: SENDERS }, sender));
    return { alerts, ms: performance.now() - from, again };
  }

  /** How many of these no warden has had. */
  missing(alerts: readonly RelayedAlert[]): number {
    const keyOf = ({ fingerprint, startsAt }: RelayedAlert) => `${fingerprint} ${startsAt}`;
    const had = new Set(this.wardens.flatMap(({ received }) => received.map(keyOf)));
    return alerts.filter((alert) => !had.has(keyOf(alert))).length;
  }

  /** Milliseconds until every one of these has arrived. Throws an Error where that takes longer than `mostMs`. */
  async allArrived(alerts: readonly RelayedAlert[], mostMs: number): Promise<number> {
    const from = performance.now();
    await waitFor('every alert to arrive', () => this.missing(alerts) === 0, mostMs);
    return performance.now() - from;
  }
}

/** As Alertmanager: false where it would send it again. fetch would do, but takes several times its time of this machine. */
function post(url: string, token: string, alert: RelayedAlert): Promise<boolean> {
  const body = JSON.stringify({ version: '4', alerts: [alert] });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', headers, timeout: 20_000 }, (response) => {
      const { statusCode = 0 } = response.resume();
      if (statusCode === 202 || statusCode >= 500) response.once('end', () => resolve(statusCode === 202)).once('error', () => resolve(false));
      else reject(new Error(`the relay answered ${statusCode}`));
    });
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(false));
    sent.end(body);
  });
}
