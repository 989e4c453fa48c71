import { performance } from 'node:perf_hooks';
import { Connection, type AgentSource } from './connection.cjs';
import { quietly } from './quietly.cjs';
import { setTimeout } from './timers.cjs';

/** How often PM2's cluster mode is asked whether the app has its environment. */
const PM2_POLL_MS = 100;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 10_000;
/** Longer than a warden takes to be restarted: what it has begun in the app goes on until then. */
const FORSAKEN_MS = 60_000;

/** Stays connected to a warden for as long as the app lives: tries each known place in turn, waits, and tries again. */
export class Link {
  readonly #source: AgentSource;
  readonly #paths: () => string[];
  readonly #forsakenMs: number;
  #retryMs = FIRST_RETRY_MS;
  /** When the last warden was lost, by the clock that never jumps; null where nothing of it can go on any more. */
  #lostAt: number | null = null;

  /**
   * `paths`: where a warden may listen, most likely first. `forsakenMs`: without one for so long, the app's allocations
   * are not sampled any more, for nobody else would ever end that.
   */
  constructor(source: AgentSource, paths: () => string[], forsakenMs = FORSAKEN_MS) {
    this.#source = source;
    this.#paths = paths;
    this.#forsakenMs = forsakenMs;
  }

  open(): void {
    // PM2's cluster mode keeps the app's environment, HEAPWARDEN_SOCKET too, in this variable until the preloads have
    // run: what is tried before may be another warden.
    if (process.env['pm2_env'] === undefined) this.#connect(this.#paths());
    else this.#openAfter(PM2_POLL_MS);
  }

  #connect([path, ...others]: string[]): void {
    if (path === undefined) return this.#retryLater();
    try {
      const connection = new Connection(path, this.#source, () => {
        if (!connection.welcomed) return this.#connect(others);
        this.#retryMs = FIRST_RETRY_MS;
        this.#lostAt = performance.now();
        this.#retryLater();
      });
    } catch {
      this.#connect(others); // no path for a socket, or the permission model forbids it
    }
  }

  #openAfter(delayMs: number): void {
    setTimeout(quietly(() => this.open()), delayMs).unref();
  }

  #retryLater(): void {
    // Half of it at random, lest all apps of a machine knock at once when the warden comes back.
    const delayMs = this.#retryMs * (0.5 + Math.random() / 2);
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    this.#openAfter(delayMs);
    if (this.#lostAt === null || performance.now() - this.#lostAt < this.#forsakenMs) return;
    this.#lostAt = null;
    this.#source.profile(false);
  }
}
