import type { Drainage } from './drain.cjs';
import { quietly } from './quietly.cjs';

/** What supervisors stop a process with: PM2 with SIGINT, most others with SIGTERM. */
const STOPS = ['SIGINT', 'SIGTERM'] as const;

/** Lets a process that does nothing of its own on a stop signal drain first, and end by that signal then. */
export class StopSignals {
  readonly #drainage: Drainage;
  #timeoutMs: number | null = null;

  constructor(drainage: Drainage) {
    this.#drainage = drainage;
  }

  /** For as long as the process lives; told again, the newest bound counts. */
  arm(timeoutMs: number): void {
    const isFirst = this.#timeoutMs === null;
    this.#timeoutMs = timeoutMs;
    if (!isFirst) return;
    for (const signal of STOPS) if (process.listenerCount(signal) === 0) this.#listen(signal, timeoutMs);
  }

  #listen(signal: NodeJS.Signals, timeoutMs: number): void {
    const onSignal = () => {
      process.off(signal, onSignal); // the next one ends it at once
      if (process.listenerCount(signal) > 0) return; // the app has come to have its own
      const end = quietly(() => void process.kill(process.pid, signal));
      void this.#drainage.drain(this.#timeoutMs ?? timeoutMs).then(end);
    };
    process.on(signal, onSignal);
  }
}
