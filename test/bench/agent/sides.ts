/** The same app, alone and with each of those that watch it from inside. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { findPart } from '../../parts/index.js';
import { ask } from '../probe.js';

const APP = fileURLToPath(new URL('app.cjs', import.meta.url));
export const AGENT = fileURLToPath(new URL('../../../dist/agent/index.cjs', import.meta.url));
/** As often as the agent sends its figures, and as deploy/prometheus.yml scrapes. */
export const SCRAPE_MS = 5000;
const STOP_MS = 5000;
/** Others start beside it, more than there are CPUs. */
const FIRST_ANSWER_MS = 10_000;

export interface Side {
  name: string;
  /** Node's own arguments. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  /** A channel to its parent, as PM2 gives each app. */
  hasChannel: boolean;
  isScraped: boolean;
}

export interface Sides {
  bare: Side;
  /** The first is the control: bare once more. */
  others: readonly Side[];
  /** What could not be had, and why. */
  missing: readonly string[];
}

/** `agentSocket`: where a warden listens. */
export function sides(agentSocket: string): Sides {
  const plain: Omit<Side, 'name'> = { args: [], env: {}, hasChannel: false, isScraped: false };
  const env = { HEAPWARDEN_SOCKET: agentSocket };
  const io = pm2Io();
  return {
    bare: { name: 'bare', ...plain },
    others: [
      { name: 'bare, once more (control)', ...plain },
      { name: 'heapwarden/agent', ...plain, args: ['--require', AGENT], env },
      { name: "prom-client's default metrics", ...plain, env: { SIDE: 'prom-client' }, isScraped: true },
      ...(io === null ? [] : [{ name: "PM2's @pm2/io", ...plain, args: ['--require', io], hasChannel: true }]),
    ],
    missing: io === null ? ["PM2's @pm2/io: PM2 is not on this machine (npm run setup:test tells why)"] : [],
  };
}

/** PM2 7 has it among its own files, and loads it into every app that it starts (its lib/ProcessUtils.js). */
function pm2Io(): string | null {
  const pm2 = findPart('pm2');
  const file = pm2 && join(dirname(pm2), '..', 'modules', 'pm2-io-bpm', 'index.js');
  return file && existsSync(file) ? file : null;
}

export interface StartOptions {
  /** Path of Node. */
  node: string;
  /** Which CPU it has to itself; null: any. */
  cpu: number | null;
}

/** One process of one side, until it is stopped. */
export class RunningSide {
  readonly side: Side;
  readonly port: number;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #scraping: NodeJS.Timeout | undefined;
  #scrapeFailures = 0;

  private constructor(side: Side, child: ChildProcess, port: number) {
    this.side = side;
    this.port = port;
    this.pid = child.pid!;
    this.#child = child;
    if (!side.isScraped) return;
    const scrape = () => ask(port, '/metrics', SCRAPE_MS).catch(() => (this.#scrapeFailures += 1));
    this.#scraping = setInterval(() => void scrape(), SCRAPE_MS);
  }

  /** Resolves when it answers. Throws with what it said where it does not come up. */
  static async start(side: Side, { node, cpu }: StartOptions): Promise<RunningSide> {
    const command = [...(cpu === null ? [] : ['taskset', '-c', String(cpu)]), node, '--expose-gc', ...side.args, APP];
    const [program = '', ...args] = command;
    const stdio = ['ignore', 'ignore', 'pipe', 'pipe', ...(side.hasChannel ? ['ipc' as const] : [])] as const;
    // Nothing of ours: NODE_OPTIONS would be another side.
    const child = spawn(program, args, { stdio: [...stdio], env: { PATH: process.env['PATH'], ...side.env } });
    let said = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
    const gone = once(child, 'exit').then(() => {
      throw new Error(`"${side.name}" has ended: ${said}`);
    });
    const [first] = (await Promise.race([once(child.stdio[3] as Readable, 'data'), gone])) as [Buffer];
    gone.catch(() => {}); // from here on it is meant to end
    const running = new RunningSide(side, child, Number(String(first)));
    try {
      await ask(running.port, '/', FIRST_ANSWER_MS);
    } catch (error) {
      await running.stop(); // who calls has nothing to stop it by
      throw error;
    }
    return running;
  }

  collectGarbage(): void {
    this.#child.kill('SIGUSR2');
  }

  /** Throws where its metrics could not be read while it ran: it has then cost less than it does. */
  async stop(): Promise<void> {
    clearInterval(this.#scraping);
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, 'exit');
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
      await gone;
      clearTimeout(timer);
    }
    if (this.#scrapeFailures > 0) throw new Error(`"${this.side.name}": ${this.#scrapeFailures} scrapes failed`);
  }
}

/** Starts one of each, and stops them all after `work`. */
export async function together<T>(
  all: readonly Side[],
  options: StartOptions,
  work: (running: RunningSide[]) => Promise<T>,
): Promise<T> {
  const started = await Promise.allSettled(all.map((side) => RunningSide.start(side, options)));
  const running = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  try {
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    return await work(running);
  } finally {
    await Promise.all(running.map((one) => one.stop()));
  }
}
