import type { Pm2Client } from './pm2-rpc.js';

/**
 * What PM2's daemon publishes about one app while a restart goes on: open it before the restart is asked for. A bus
 * that cannot be read says nothing, so that `ready` was never said.
 */
export class Pm2Bus {
  readonly close: () => void;
  readonly #ready = new Set<number>();
  readonly #signals = new Map<number, string>();

  constructor(client: Pm2Client, name: string) {
    // PM2's own log tells the end of a process in these words (God.js, handleExit).
    const start = `App [${name}:`;
    this.close = client.watchBus({
      'log:PM2': (message) => {
        const { data: line } = message as { data?: unknown };
        if (typeof line !== 'string' || !line.startsWith(start)) return;
        const end = /^(\d+)\] exited with code \[.*\] via signal \[(\w+)\]/.exec(line.slice(start.length));
        const [, pmId, signal] = end ?? [];
        if (pmId && signal && !this.#signals.has(Number(pmId))) this.#signals.set(Number(pmId), signal);
      },
      'process:msg': (message) => {
        const { raw, process } = message as { raw?: unknown; process?: { pm_id?: unknown } };
        if (raw === 'ready' && typeof process?.pm_id === 'number') this.#ready.add(process.pm_id);
      },
    });
  }

  /** Whether the process of this id has sent `ready` (process.send) since the bus was opened. */
  saidReady(pmId: number): boolean {
    return this.#ready.has(pmId);
  }

  /** The signal that ended the first process of this id to end since then, in PM2's words; null until it is told. */
  endSignal(pmId: number): string | null {
    return this.#signals.get(pmId) ?? null;
  }
}
