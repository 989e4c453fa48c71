/** A request a second to every worker; nobody waits for one that is frozen. */
import { get, type RequestOptions } from 'node:http';

const TIMEOUT_MS = 2000;

export class LightLoad {
  readonly counts = { answered: 0, failed: 0 };
  readonly #timers: NodeJS.Timeout[];

  constructor(places: readonly RequestOptions[], random: () => number) {
    this.#timers = places.map((place) => setInterval(() => this.#ask(place), 900 + 200 * random()));
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  #ask(place: RequestOptions): void {
    const request = get({ ...place, timeout: TIMEOUT_MS, agent: false }, (response) => {
      response.resume().once('end', () => this.counts.answered++).once('error', () => this.counts.failed++);
    });
    request.once('timeout', () => request.destroy(new Error('no answer'))).once('error', () => this.counts.failed++);
  }
}
