/** A relay in this process, with wardens that are simulated. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { systemClock, type Clock } from '../../src/clock.js';
import { thisHost } from '../../src/config/paths.js';
import { parseRelayConfig } from '../../src/relay/config.js';
import type { RelayedAlert } from '../../src/relay/queue.js';
import { Relay } from '../../src/relay/relay.js';
import type { RelayConfig } from '../../src/relay/schema.js';
import { MemoryLog } from '../act/support.js';
import { freePort } from '../parts/prometheus.js';
import { SimulatedWarden, type SimulatedOptions } from './simulated-warden.js';

/** The real clock, of which a test may put both hands. */
export class SteppedClock implements Clock {
  /** Milliseconds by which the time of day, and the clock that never jumps, are ahead. */
  wallMs = 0;
  aheadMs = 0;
  /** The longest sleep. */
  mostMs = Infinity;
  now = () => systemClock.now() + this.wallMs;
  monotonic = () => systemClock.monotonic() + this.aheadMs;
  sleep = (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, this.mostMs), signal);
}

export class RelayFixture {
  readonly log = new MemoryLog();
  readonly clock = new SteppedClock();
  relay: Relay | null = null;

  private constructor(
    readonly dir: string,
    readonly wardens: readonly SimulatedWarden[],
    readonly config: RelayConfig,
  ) {}

  /** `yaml`: more of relay.yml. Each warden has a token of its own. */
  static async start(t: Test, count: number, yaml = '', options: Partial<SimulatedOptions> = {}): Promise<RelayFixture> {
    const dir = mkdtempSync(join(tmpdir(), 'hw-relay-'));
    t.teardown(() => rmSync(dir, { recursive: true, force: true }));
    const wardens = await Promise.all(
      Array.from({ length: count }, (_, i) => new SimulatedWarden({ token: `token-${i}`, ...options }).start()),
    );
    t.teardown(() => Promise.all(wardens.map((warden) => warden.stop())));
    for (const { address, token } of wardens) writeFileSync(join(dir, `${address}.token`), `${token}\n`);
    const targets = wardens.map(({ address }) => ({ targets: [address] }));
    writeFileSync(join(dir, 'wardens.json'), JSON.stringify(targets));
    const text = `
listen: 127.0.0.1:${await freePort()}
state_dir: state
targets: { file_sd: { files: ['wardens*.json'] } }
wardens: { token_file: '{instance}.token', timeout: 2s }
${yaml}`;
    const fixture = new RelayFixture(dir, wardens, parseRelayConfig(text, join(dir, 'relay.yml'), thisHost()));
    t.teardown(() => fixture.relay?.close());
    await fixture.open();
    return fixture;
  }

  async open(): Promise<Relay> {
    this.relay = await Relay.start({ version: '1.2.3', config: this.config, clock: this.clock, log: this.log });
    return this.relay;
  }

  async send(alerts: readonly RelayedAlert[], token?: string): Promise<{ status: number; results: string[] }> {
    const authorization = `Bearer ${token ?? (await this.relay!.token())}`;
    const response = await fetch(`${this.relay!.url}/api/v1/alerts`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ version: '4', alerts }),
    });
    const body = (await response.json()) as { alerts?: { result: string }[] };
    return { status: response.status, results: (body.alerts ?? []).map(({ result }) => result) };
  }

  async metric(series: string): Promise<number | null> {
    const text = await (await fetch(`${this.relay!.url}/metrics`)).text();
    const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
    return line === undefined ? null : Number(line.slice(series.length));
  }
}
